/** All commands follow one rule for exit codes. None of these tests needs an engine. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../../../adapters/command/ExitCode.ts"
import { UsageError } from "../../../adapters/command/Usage.ts"
import { OutputClosed } from "../../../adapters/Output.ts"
import { EngineUnreachable, InvalidEndpoint } from "../../../src/engine/EngineErrors.ts"
import { CommandNotFound, ExecTimeout } from "../../../src/executor/ExecutorErrors.ts"
import { InvalidRequest } from "../../../src/request/InvalidRequest.ts"
import { InvalidTarget } from "../../../src/target/Target.ts"

const dist = join(import.meta.dirname, "../../../dist")

/** Runs a program with these variables added to its environment. */
const call = (env: Readonly<Record<string, string>>, [file = "", ...args]: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = execFile(
      join(dist, `${file}.cjs`),
      args,
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => resume(Effect.succeed({ code: error === null ? 0 : error.code, stdout, stderr }))
    )
    child.stdin?.end()
  })

const exitCode = (env: Readonly<Record<string, string>>, line: ReadonlyArray<string>) =>
  Effect.map(call(env, line), ({ code }) => code)

/** The command for help in the last line of a usage error. */
const helpOf = (line: string): string => {
  if (line.startsWith("task-exec exec")) return "task-exec exec"
  if (line.startsWith("swarm-exec task-exec")) return "swarm-exec task-exec"
  return /^task-exec (?:cp|gc|doctor|agent|ls|completion|install-plugin)\b/.exec(line)?.[0] ?? line.split(" ")[0] ?? ""
}

/** Every command that connects to an engine, which does not exist. */
const commands = [
  "task-exec web true",
  "task-exec --all web true",
  "swarm-exec task-exec web true",
  "task-exec cp web:/x .",
  "swarm-exec exec web true",
  "task-exec gc",
  "task-exec doctor",
  "task-exec agent status"
]
const nowhere = { DOCKER_HOST: "unix:///nonexistent/docker.sock" }

describe("the exit code of an error", () => {
  it("is 2 only for wrong usage", () => {
    const wrong = [
      new UsageError({ detail: "" }),
      new InvalidEndpoint({ endpoint: "x", detail: "" }),
      new InvalidTarget({ target: "", detail: "" }),
      new InvalidRequest({ detail: "" })
    ]
    for (const error of wrong) assert.strictEqual(exitCodeOf(error, 1), 2, error._tag)
    const unreachable = new EngineUnreachable({ host: "", operation: "", reason: "Lost", detail: "" })
    assert.deepStrictEqual([exitCodeOf(unreachable), exitCodeOf(unreachable, 1)], [125, 1])
    assert.strictEqual(exitCodeOf(new CommandNotFound({ command: "x", detail: "" })), 126)
    assert.strictEqual(exitCodeOf(new ExecTimeout({ after: 1, killResult: { _tag: "Killed" } })), 124)
    assert.strictEqual(exitCodeOf(new ExecTimeout({ after: 1, killResult: { _tag: "Alive", pids: [1] } })), 125)
    assert.strictEqual(exitCodeOf(new OutputClosed()), 141)
  })

  const environments = {
    "an address that is none": { DOCKER_HOST: "nonsense://x" },
    "a context that is not there": { DOCKER_HOST: "", DOCKER_CONTEXT: "nonexistent" },
    "certificates that are not there": {
      DOCKER_HOST: "tcp://127.0.0.1:1",
      DOCKER_TLS_VERIFY: "1",
      DOCKER_CERT_PATH: "/nonexistent"
    }
  }
  for (const [name, env] of Object.entries(environments)) {
    it.effect(`every command: 2 for ${name}`, () =>
      Effect.gen(function* () {
        for (const command of commands) {
          const { code, stderr } = yield* call(env, command.split(" "))
          assert.strictEqual(code, 2, command)
          assert.isTrue(stderr.endsWith(`\nSee '${helpOf(command)} --help'.\n`), stderr)
        }
      })
    )
  }

  const wrongLines = [
    "task-exec web.x true",
    "task-exec exec web.x true",
    "task-exec web.x,web.2 true",
    "task-exec --nonsense web true",
    "task-exec web",
    "task-exec --timeout soon web true",
    "task-exec --timeout",
    "task-exec --all --stack shop true",
    "task-exec cp web.x:/x .",
    "task-exec cp one",
    "task-exec ls one two",
    "task-exec ls --node",
    "task-exec gc --run=",
    "task-exec doctor --timeout soon",
    "task-exec agent sideways",
    "task-exec completion tcsh",
    "task-exec install-plugin here",
    "task-exec help sideways",
    "swarm-exec exec",
    "swarm-exec exec --tty web true"
  ]
  it.effect("is 2 for every usage error, which prints nothing on stdout and ends with the command for help", () =>
    Effect.gen(function* () {
      for (const line of wrongLines) {
        const { code, stderr, stdout } = yield* call(nowhere, line.split(" "))
        assert.deepStrictEqual([code, stdout], [2, ""], line)
        const ends = stderr.split("\n")
        assert.deepStrictEqual(ends.slice(-2), [`See '${helpOf(line)} --help'.`, ""], `${line}: ${stderr}`)
        assert.lengthOf(ends, 3, `${line}: ${stderr}`)
      }
    })
  )

  it.effect("is marked as task-exec's own by --output json", () =>
    Effect.gen(function* () {
      for (const line of ["task-exec --output json web true", "task-exec --all --output json web true"]) {
        const { code, stdout } = yield* call(nowhere, line.split(" "))
        const last: unknown = JSON.parse(stdout)
        assert.deepInclude(last, { event: "finished", tasks: 0, exitCode: 125, source: "task-exec" }, line)
        assert.deepInclude(last, { error: "EngineUnreachable" }, line)
        assert.strictEqual(code, 125)
      }
      const refused = yield* call(nowhere, ["task-exec", "--output", "json", "web.x", "true"])
      const document: unknown = JSON.parse(refused.stdout)
      assert.deepInclude(document, { exitCode: 2, source: "task-exec", error: "InvalidTarget" })
      assert.strictEqual(refused.code, 2)
    })
  )

  it.effect("is 2 for an invalid environment variable, before any request, from commands and copies", () =>
    Effect.gen(function* () {
      const env = { ...nowhere, TASK_EXEC_DENY_DEFAULT: "maybe" }
      for (const command of commands.slice(0, 5)) {
        assert.strictEqual(yield* exitCode(env, command.split(" ")), 2, command)
      }
    })
  )

  it.effect("is not 2 for an unreachable engine, except from the plugin", () =>
    Effect.gen(function* () {
      for (const command of commands) {
        const expected = command.endsWith("doctor") ? 1 : 125
        assert.strictEqual(yield* exitCode(nowhere, command.split(" ")), expected, command)
      }
      const action = 'swarm-exec inst_exec {"inst":[{"id":"x"}],"command":"true"}'
      assert.strictEqual(yield* exitCode(nowhere, action.split(" ")), 2, "the plugin's contract: 2 for every error")
    })
  )
})
