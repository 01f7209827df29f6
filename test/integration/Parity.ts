/** Runs one script with docker and with task-exec, for tests that compare the two. */
import * as Effect from "effect/Effect"
import { systemPath } from "../cluster/Command.ts"
import { inShell, shell, shellVariables } from "./Harness.ts"
import { openPty, withoutStageLine } from "./Pty.ts"

/** A script for bash. In it `x` runs a command in a container, `c` copies files and `l` prints a log. */
export interface Script {
  readonly script: string
  /** Runs the script on a terminal. Each pair is what the test waits for, and the keys that it types then. */
  readonly typed?: ReadonlyArray<readonly [seen: RegExp, keys: string]>
}

const programs = {
  docker: 'x() { docker exec "$@"; }; c() { docker cp -q "$@"; }; l() { docker logs "$@"; }',
  "task-exec":
    'x() { task-exec "$@"; }; c() { task-exec cp "$@"; }; l() { task-exec logs "$@"; }; r() { task-exec run "$@"; }'
} as const

/** A program that is compared. */
export type Program = keyof typeof programs

/** Runs a script, in which a pipe fails with its last command that does. `env` has DOCKER_HOST and the script's own variables. */
export const outcomeOf = Effect.fnUntraced(function* (
  program: Program,
  env: Readonly<Record<string, string>>,
  { script, typed }: Script
) {
  const all = {
    ...env,
    TERM: "xterm",
    // What stands before a command on a person's own search path may have something to say.
    PATH: systemPath
  }
  const whole = `set -o pipefail; ${programs[program]}; ${script}`
  if (typed === undefined) {
    const { code, signal, stderr, stdout } = yield* shell(whole, { env: all })
    return { end: signal ?? code, stdout: stdout.toString("latin1"), stderr }
  }
  const pty = yield* openPty(["bash", "-c", inShell(whole)], { env: { ...all, ...shellVariables } })
  for (const [seen, keys] of typed) {
    yield* pty.see(seen)
    pty.type(keys)
  }
  const { after, before, code, shown } = yield* pty.end
  return { end: code, shown: program === "docker" ? shown : withoutStageLine(shown), restored: after === before }
}, Effect.scoped)

/** Asks docker again where its client lost the end of the output to a command that left input unread (20.10). */
export const outcomeOfDocker = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>, script: Script) {
  for (let attempt = 1; ; attempt++) {
    const outcome = yield* outcomeOf("docker", env, script)
    const isCut = "stderr" in outcome && outcome.stderr.includes("connection reset by peer")
    if (!isCut || attempt === 10) return outcome
  }
})

/** Cuts long texts, for the message of a test that failed. */
export const shorten = (_key: string, value: unknown) =>
  typeof value === "string" && value.length > 1000 ? `${value.slice(0, 1000)}… (${value.length})` : value
