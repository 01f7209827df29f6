import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { help, parsePluginArgs } from "../../../adapters/skopos/PluginArgs.ts"

const none = {
  action: "inst_exec",
  json: undefined,
  debug: false,
  compact: false,
  stdout: undefined,
  stderr: undefined
}

describe("parsePluginArgs", () => {
  it.effect.each([
    [["inst_exec"], none],
    [["--debug", "inst_exec"], { ...none, debug: true }],
    [["inst_exec", "--debug"], { ...none, debug: true }],
    [["-c", "inst_exec"], { ...none, compact: true }],
    [["inst_exec", "--compact"], { ...none, compact: true }],
    [["--stdout", "a", "inst_exec", "--stderr=b"], { ...none, stdout: "a", stderr: "b" }],
    [["inst_exec", '{"a":1}'], { ...none, json: '{"a":1}' }],
    [["inst_exec", "-c", '{"a":1}', "--debug"], { ...none, json: '{"a":1}', compact: true, debug: true }],
    [["inst_exec", '{"a":', "1}"], { ...none, json: '{"a": 1}' }],
    [["inst_exec", "--", '{"a":1}'], { ...none, json: '{"a":1}' }],
    [["inst_exec", ""], { ...none, json: "" }],
    [["-h"], help],
    [["inst_exec", "-c", "--help"], help]
  ] as const)("%j", ([argv, expected]) =>
    Effect.map(parsePluginArgs(argv), (args) => assert.deepStrictEqual(args, expected))
  )

  it.effect.each([
    [[], "ACTION is missing. See 'swarm-exec --help'."],
    [["--debug"], "ACTION is missing. See 'swarm-exec --help'."],
    [["--dry-run", "inst_exec"], "unknown option --dry-run. See 'swarm-exec --help'."],
    [["inst_exec", "-x"], "unknown option -x. See 'swarm-exec --help'."],
    [["inst_exec", "--stdout"], "--stdout needs a value: --stdout FILE. See 'swarm-exec --help'."]
  ] as const)("%j is wrong", ([argv, message]) =>
    Effect.map(Effect.flip(parsePluginArgs(argv)), (error) => assert.strictEqual(error.message, message))
  )
})
