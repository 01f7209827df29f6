/** The one rule for exit codes, and that every command keeps it: none of these needs an engine. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../../../adapters/command/ExitCode.ts"
import { UsageError } from "../../../adapters/command/Usage.ts"
import { OutputClosed } from "../../../adapters/Output.ts"
import { EngineUnreachable, InvalidEndpoint } from "../../../src/engine/EngineErrors.ts"
import { CommandNotFound, ExecTimeout } from "../../../src/executor/ExecutorErrors.ts"
import { InvalidRequest } from "../../../src/request/ExecRequest.ts"
import { InvalidTarget } from "../../../src/target/Target.ts"

const dist = join(import.meta.dirname, "../../../dist")

/** The exit code of a program, with these variables added to its environment. */
const exitCode = (env: Readonly<Record<string, string>>, [file = "", ...args]: ReadonlyArray<string>) =>
  Effect.callback<unknown>((resume) => {
    const child = execFile(join(dist, `${file}.cjs`), args, { env: { ...process.env, ...env } }, (error) =>
      resume(Effect.succeed(error === null ? 0 : error.code))
    )
    child.stdin?.end()
  })

/** Every command that talks to an engine, on one that is not there. */
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
  it("is 2 for wrong usage, and for nothing else", () => {
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
    assert.strictEqual(exitCodeOf(new ExecTimeout({ after: 1, ending: { _tag: "Killed" } })), 124)
    assert.strictEqual(exitCodeOf(new ExecTimeout({ after: 1, ending: { _tag: "Alive", pids: [1] } })), 125)
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
        for (const command of commands) assert.strictEqual(yield* exitCode(env, command.split(" ")), 2, command)
      })
    )
  }

  it.effect("what runs or copies: 2 for a variable that can't be, before anything is asked", () =>
    Effect.gen(function* () {
      const env = { ...nowhere, TASK_EXEC_DENY_DEFAULT: "maybe" }
      for (const command of commands.slice(0, 5)) {
        assert.strictEqual(yield* exitCode(env, command.split(" ")), 2, command)
      }
    })
  )

  it.effect("every command: no 2 for an engine that is not there", () =>
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
