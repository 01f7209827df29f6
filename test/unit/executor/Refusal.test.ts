import { assert, describe, it } from "@effect/vitest"
import { EngineError } from "../../../src/engine/EngineErrors.ts"
import { notStarted, refusal } from "../../../src/executor/Refusal.ts"

const container = "7485df53527871bc61dcae0c42d1db6b2daa55db7f14eb8cbdcb2e33f527b6df"
const spec = { command: ["prog", "x"], container } as const

const runc = "OCI runtime exec failed: exec failed: "

describe("an engine's message about a command that did not start", () => {
  for (const [detail, tag] of [
    [
      `${runc}unable to start container process: exec: "prog": executable file not found in $PATH: unknown`,
      "CommandNotFound"
    ],
    [
      `${runc}container_linux.go:380: starting container process caused: exec: "/prog": stat /prog: no such file or directory: unknown`,
      "CommandNotFound"
    ],
    [`${runc}unable to start container process: exec: "/etc/passwd": permission denied: unknown`, "CommandNotStarted"],
    [
      `${runc}unable to start container process: chdir to cwd ("/none") set in config.json failed: no such file or directory: unknown`,
      "CommandNotStarted"
    ],
    ["unable to find user nobody2: no matching entries in passwd file", "CommandNotStarted"],
    [`${runc}cannot exec in a stopped container: unknown`, "ContainerNotRunning"],
    [`${runc}container not running: unknown`, "ContainerNotRunning"],
    [
      `${runc}unable to start container process: error executing setns process: exit status 1: unknown`,
      "ContainerNotRunning"
    ],
    [`Container ${container} is not running: Exited (137) Less than a second ago`, "ContainerNotRunning"],
    [`Container ${container} is paused, unpause the container before exec`, "ContainerNotRunning"],
    [`Container ${container} is restarting, wait until the container is running`, "ContainerNotRunning"]
  ] as const) {
    it(`${tag}: ${detail.slice(0, 130)}`, () => {
      const error = notStarted(spec, detail)
      assert.deepStrictEqual([error._tag, error.detail], [tag, detail])
    })
  }

  it("a refused request is recognized by its status, or by its message", () => {
    const tagOf = (status: number, text: string) =>
      refusal(spec)(new EngineError({ host: "h", operation: "start the exec", status, text }))._tag
    assert.strictEqual(tagOf(404, "No such container: x"), "ContainerNotRunning")
    assert.strictEqual(
      tagOf(409, `Container ${container} is paused, unpause the container before exec`),
      "ContainerNotRunning"
    )
    assert.strictEqual(tagOf(500, `Container ${container} is not running: Exited (137)`), "ContainerNotRunning")
    assert.strictEqual(tagOf(400, `exec: "prog": executable file not found in $PATH`), "CommandNotFound")
    assert.strictEqual(tagOf(503, "the engine is busy"), "EngineError")
  })
})
