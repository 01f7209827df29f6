/** `interactive`: a shell in a task on another node, on a terminal. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { openPty } from "../../test/integration/Pty.ts"
import { type Comparison, compare } from "../Comparison.ts"
import { type Bench, dockerExec, halved, taskExec } from "../Contenders.ts"
import { type Contender, inTurns, WrongResult } from "../Measure.ts"
import { quantile } from "../Statistics.ts"

/** Keys that do not count, and those that count after them. */
const warmUpKeys = 20
const keys = 200

/** The measurements of one session, in seconds. */
interface Session {
  /** From the start of the program to the shell's prompt. */
  readonly prompt: number
  /** From each key to its echo on the terminal. */
  readonly trips: ReadonlyArray<number>
}

const now = (): number => Number(process.hrtime.bigint()) / 1e9

/** busybox's prompt for root in `/`. */
const prompt = /\/ # /

/** Exactly these variables, and nothing from this process's environment. */
const only = (env: Readonly<Record<string, string>>): Readonly<Record<string, string | undefined>> => ({
  ...Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined])),
  ...env
})

/** Starts a program on a terminal. Measures the time to the prompt of its shell. */
export const toPrompt = Effect.fnUntraced(function* (
  { argv }: Contender,
  env: Readonly<Record<string, string>>,
  prompt: RegExp
) {
  const waiting = ["sh", "-c", 'echo ready; read -r go; exec "$@"', "sh", ...argv]
  const pty = yield* openPty(waiting, { env: { ...only(env), TERM: "xterm" } })
  yield* pty.see(/ready\r\n/)
  const begun = now()
  pty.type("\r")
  yield* pty.see(prompt)
  return { pty, first: now() - begun }
})

/** Runs one session, from the start of the program to its end. */
const session = Effect.fnUntraced(function* (contender: Contender, env: Readonly<Record<string, string>>) {
  const { first, pty } = yield* toPrompt(contender, env, prompt)
  pty.type("echo now; cat\r")
  yield* pty.see(/\r\nnow\r\n/)
  const trips: Array<number> = []
  for (let n = 0; n < warmUpKeys + keys; n++) {
    const pressed = now()
    pty.type("x")
    yield* pty.see(/x/)
    if (n >= warmUpKeys) trips.push(now() - pressed)
  }
  pty.type("\r\u0004")
  yield* pty.see(prompt)
  pty.type("exit 0\r")
  const { code } = yield* pty.end
  if (code !== 0) return yield* new WrongResult({ command: contender.name, detail: `exit code ${code}` })
  const taken: Session = { prompt: first, trips }
  return taken
}, Effect.scoped)

const figures: ReadonlyArray<readonly [title: string, of: (session: Session) => number]> = [
  ["From the command line to the prompt of a shell on another node", (one) => one.prompt],
  ["From a key to its echo on the terminal: median", ({ trips }) => quantile(trips, 0.5)],
  ["From a key to its echo on the terminal: 99th percentile", ({ trips }) => quantile(trips, 0.99)]
]

/** Opens a shell with each contender in turn. */
export const interactive = Effect.fn("Measure.interactive")(function* ({ options, ssh, stage }: Bench) {
  const { remote } = stage
  const { env, runs } = halved(options)
  const contenders = [
    taskExec("-it", remote.target, "sh"),
    dockerExec("docker -H ssh://… exec -it", ssh.cold, remote, ["sh"], ["-it"]),
    dockerExec("docker exec -it, on the node itself", remote.node.dockerHost, remote, ["sh"], ["-it"])
  ]
  yield* Console.error(`measuring shells: ${contenders.length} of them, 1 + ${runs} times each`)
  const taken = yield* inTurns(
    contenders.map((one) => session(one, env)),
    runs
  )
  return figures.flatMap(([title, of]): ReadonlyArray<Comparison> => {
    const [ours, ...others] = contenders.map(({ name }, at) => ({ name, samples: (taken[at] ?? []).map(of) }))
    return ours === undefined ? [] : [compare({ measure: "interactive", title, unit: "seconds" }, ours, others)]
  })
})
