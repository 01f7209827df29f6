import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readInstExec } from "../../../adapters/skopos/InstExecInput.ts"
import type { ExecRequest } from "../../../src/request/ExecRequest.ts"

const inst = [{ id: "k3x8wfzp1" }]
const target = "task/k3x8wfzp1"

describe("readInstExec", () => {
  it.effect.each<readonly [Readonly<Record<string, unknown>>, ExecRequest]>([
    [
      { inst, command: "true" },
      { target, command: ["true"] }
    ],
    [
      { inst, command: "sh -c 'echo  $A'" },
      { target, command: ["sh", "-c", "echo  $A"] }
    ],
    [
      { inst, command: '["sleep","5"]' },
      { target, command: ["sleep", "5"] }
    ],
    [
      { inst, command: ["sleep", "5 6"] },
      { target, command: ["sleep", "5 6"] }
    ],
    [
      { inst, command: "true", timeout: 2.5 },
      { target, command: ["true"], timeout: 2500 }
    ],
    [
      { inst, command: "true", timeout: "30" },
      { target, command: ["true"], timeout: 30_000 }
    ],
    [
      { inst, command: "true", image: "a/b:1" },
      { target, command: ["true"], image: "a/b:1" }
    ],
    [
      { inst, command: "true", selector: "new", via: "local", user: "root" },
      { target, command: ["true"] }
    ],
    [
      { inst: [{ id: "web.2", other: 1 }], command: "true" },
      { target: "web.2", command: ["true"] }
    ]
  ])("%j", ([input, expected]) =>
    // The original plugin's timeout, 300 seconds, which the library does not have.
    Effect.map(readInstExec(input), (request) => assert.deepStrictEqual(request, { timeout: 300_000, ...expected }))
  )

  it.effect.each([
    [{}, "inst_exec: inst: missing"],
    [{ inst: "x", command: "true" }, "inst_exec: inst: expected a list with one object"],
    [{ inst: { id: "x" }, command: "true" }, "inst_exec: inst: expected a list with one object"],
    [{ inst: [] }, "this plugin works only with a single instance at a time, got 0"],
    [{ inst: [1, 2, 3] }, "this plugin works only with a single instance at a time, got 3"],
    [{ inst: ["x"] }, "inst_exec: inst[0]: expected an object with the ID of a task as id"],
    [{ inst: [{}] }, "inst_exec: inst[0].id: missing"],
    [{ inst: [{ id: "" }] }, "inst_exec: inst[0].id: expected the ID of a task"],
    [{ inst: [{ id: 7 }] }, "inst_exec: inst[0].id: expected string"],
    [{ inst }, "inst_exec: command: missing"],
    [
      { inst, command: true },
      'inst_exec: command: expected a string or a list of strings (in YAML, "true" is a string only in quotes)'
    ],
    [{ inst, command: ["sleep", 5] }, "inst_exec: command[1]: expected string"],
    [{ inst, command: "" }, "inst_exec: command: empty command"],
    [{ inst, command: " " }, "inst_exec: command: empty command"],
    [{ inst, command: "'' a" }, "inst_exec: command: empty command"],
    [{ inst, command: [] }, "inst_exec: command: empty command"],
    [{ inst, command: "[]" }, "inst_exec: command: empty command"],
    [{ inst, command: "a 'hunter2" }, "inst_exec: command: unclosed ' at character 3"],
    [{ inst, command: '["a", 5]' }, "inst_exec: command: a string that begins with [ must be a JSON list of strings"],
    [
      { inst, command: "[hunter2]" },
      "inst_exec: command: a string that begins with [ must be a JSON list of strings: Unexpected token 'h'"
    ],
    [{ inst, command: "a", timeout: null }, "inst_exec: timeout: expected a number of seconds greater than 0"],
    [{ inst, command: "a", timeout: 0 }, "inst_exec: timeout: expected a number of seconds greater than 0"],
    [{ inst, command: "a", timeout: -1 }, "inst_exec: timeout: expected a number of seconds greater than 0"],
    [{ inst, command: "a", timeout: "" }, "inst_exec: timeout: expected a number of seconds greater than 0"],
    [{ inst, command: "a", timeout: "5m" }, "inst_exec: timeout: expected a finite number"],
    [{ inst, command: "a", image: "" }, "inst_exec: image: expected an image name"]
  ] as const)("%j is wrong", ([input, message]) =>
    Effect.map(Effect.flip(readInstExec(input)), (error) => assert.strictEqual(error.message, message))
  )
})
