/** `debug`: a shell in a toolbox beside a task on another node. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { compare } from "../Comparison.ts"
import { type Bench, halved, taskExec } from "../Contenders.ts"
import { type Contender, inTurns, WrongResult } from "../Measure.ts"
import { toPrompt } from "./Interactive.ts"

/** Opens the shell and leaves it. Returns the seconds until its prompt. */
const session = Effect.fnUntraced(function* (contender: Contender, env: Readonly<Record<string, string>>) {
  const { first, pty } = yield* toPrompt(contender, env, /# /)
  pty.type("exit 0\r")
  const { code } = yield* pty.end
  if (code !== 0) return yield* new WrongResult({ command: contender.name, detail: `exit code ${code}` })
  return first
}, Effect.scoped)

/** Opens a toolbox with task-exec, and a container in the task's namespaces with docker over SSH. */
export const debug = Effect.fn("Measure.debug")(function* ({ options, ssh, stage }: Bench) {
  const { busybox, remote } = stage
  const { env, runs } = halved(options)
  const beside = [`--pid=container:${remote.container}`, `--network=container:${remote.container}`]
  const contenders = [
    {
      ...taskExec("debug", "--image", busybox, "-it", remote.target, "sh"),
      name: `task-exec debug -it ${remote.target} sh`
    },
    {
      name: "docker -H ssh://… run -it --pid=container:… --network=container:…",
      argv: [
        "docker",
        "-H",
        ssh.cold,
        "run",
        "-it",
        "--rm",
        "--cap-add=SYS_PTRACE",
        "--user=0",
        ...beside,
        busybox,
        "sh"
      ]
    }
  ]
  yield* Console.error(`measuring toolboxes: ${contenders.length} programs, 1 + ${runs} times each`)
  const taken = yield* inTurns(
    contenders.map((one) => session(one, env)),
    runs
  )
  const [ours, ...others] = contenders.map(({ name }, at) => ({ name, samples: taken[at] ?? [] }))
  const title = "From the command line to the prompt of a shell beside a task on another node"
  return ours === undefined ? [] : [compare({ measure: "debug", title, unit: "seconds" }, ours, others)]
})
