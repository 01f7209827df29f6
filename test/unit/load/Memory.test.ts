import { assert, describe, it } from "@effect/vitest"
import { nodeOptions } from "../../../adapters/bundle/NodeOptions.ts"
import { imageCommands } from "../../../src/ImageCommands.ts"
import { bytesIn, roleOf } from "../../load/Memory.ts"

const program = "/project/dist/task-exec.cjs"
const image = "/opt/task-exec/image-start.cjs"

describe("the role of a process of a soak", () => {
  it.each([
    ["caller", ["/usr/bin/node", ...nodeOptions, program, "web.1", "true"]],
    ["helper", ["node", ...nodeOptions, image, imageCommands.helper]],
    ["agent", ["/usr/local/bin/node", ...nodeOptions, image, imageCommands.agent]]
  ] as const)("%s", (role, argv) => {
    assert.strictEqual(roleOf(argv, program), role)
  })

  it.each([
    ["the shell that starts a caller", ["sh", "-c", 'yes | "$@"', "node", program]],
    ["another caller's program", ["node", ...nodeOptions, "/other/dist/task-exec.cjs", "web.1", "true"]],
    ["a guard on a node", ["node", ...nodeOptions, image, imageCommands.guard, "e30="]],
    ["a guard of a caller", ["node", ...nodeOptions, program, imageCommands.guard, "e30="]],
    ["a program of a task with the name of our command", ["node", "server.js", imageCommands.helper]],
    ["no command line", []]
  ] as const)("none: %s", (_, argv) => {
    assert.isUndefined(roleOf(argv, program))
  })
})

describe("the memory of a process", () => {
  const status = "Name:\tnode\nVmPeak:\t 1000 kB\nVmHWM:\t   90112 kB\nVmRSS:\t   66000 kB\nRssAnon:\t 20000 kB\n"

  it("is read in bytes", () => {
    assert.deepStrictEqual([bytesIn(status, "VmHWM"), bytesIn(status, "VmRSS")], [90_112 * 1024, 66_000 * 1024])
  })

  it("is missing if the process has ended", () => {
    assert.isUndefined(bytesIn("", "VmRSS"))
    assert.isUndefined(bytesIn("Name:\tnode\nState:\tZ (zombie)\n", "VmHWM"))
  })
})
