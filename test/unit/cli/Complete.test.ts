import { assert, describe, it } from "@effect/vitest"
import { whatIsWanted } from "../../../adapters/cli/Complete.ts"

const target = { _tag: "Target", before: "" }
const value = (flag: string, before = "") => ({ _tag: "Value", flag, before })

describe("what the last word of a command line is", () => {
  it.each([
    [[""], target],
    [["we"], target],
    [["-q", "-e", "A=1", "web"], target],
    [["--env=A=1", "-qi", ""], target],
    [["--all", "web.1,we"], { _tag: "Target", before: "web.1," }],
    [["--wait", ""], target],
    [["--wait=5s", ""], target],
    [["--wait", "5m", ""], target],
    [["--wait", "5m", "web", ""], { _tag: "Nothing" }],
    [["--all", "--node", "n", ""], target],
    [["-"], { _tag: "Flag" }],
    [["--"], { _tag: "Flag" }],
    [["-i", "--via"], { _tag: "Flag" }],
    [["--via", ""], value("via")],
    [["--via", "he"], value("via")],
    [["--via=he"], value("via", "--via=")],
    [["--log-format", ""], value("log-format")],
    [["-e", "A"], value("env")],
    [["-qu", "ro"], value("user")],
    [["-H", "tc"], value("host")],
    [["web", ""], { _tag: "Nothing" }],
    [["web", "ls", "--via"], { _tag: "Nothing" }],
    [["-u", "root", "web", "-"], { _tag: "Nothing" }],
    [["--stack", "shop", ""], { _tag: "Nothing" }],
    [["--node=n", ""], { _tag: "Nothing" }]
  ] as const)("%j", (words, expected) => {
    assert.deepStrictEqual(whatIsWanted(words), expected)
  })
})
