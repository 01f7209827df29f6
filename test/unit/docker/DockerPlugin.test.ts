import { assert, describe, it } from "@effect/vitest"
import { readPluginCall } from "../../../adapters/cli/DockerPlugin.ts"
import { isDockerPlugin } from "../../../adapters/docker/PluginName.ts"

describe("the docker CLI's plugin", () => {
  it("is recognized by its file name", () => {
    assert.isTrue(isDockerPlugin("/root/.docker/cli-plugins/docker-taskexec"))
    for (const other of [undefined, "", "/usr/bin/swarm-exec", "docker", "/docker-taskexec/swarm-exec.cjs"]) {
      assert.isFalse(isDockerPlugin(other))
    }
  })

  it("moves docker's flags before its name behind it, and keeps its own", () => {
    const read = (line: string) => readPluginCall(line.split(" "))
    const none = { config: undefined, unsupported: undefined }
    assert.deepStrictEqual(read("taskexec -it web.1 sh"), { ...none, argv: ["-it", "web.1", "sh"] })
    assert.deepStrictEqual(read("--context far -D taskexec web docker taskexec"), {
      ...none,
      argv: ["--context=far", "--debug", "web", "docker", "taskexec"]
    })
    assert.deepStrictEqual(read("-H tcp://a --host=tcp://b -l info --config /c taskexec web true"), {
      argv: ["--host=tcp://a,tcp://b", "web", "true"],
      config: "/c",
      unsupported: undefined
    })
    assert.deepStrictEqual(read("--context taskexec taskexec web true").argv, ["--context=taskexec", "web", "true"])
    assert.deepStrictEqual(read("__complete taskexec --via he").argv, ["__complete", "--via", "he"])
    assert.deepStrictEqual(read("help taskexec").argv, ["help"])
    assert.deepStrictEqual(read("help taskexec cp").argv, ["help", "cp"])
    assert.strictEqual(read("--tlsverify --tlscacert /ca taskexec web true").unsupported, "tlscacert")
  })
})
