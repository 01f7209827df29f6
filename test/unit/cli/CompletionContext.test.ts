import { assert, describe, it } from "@effect/vitest"
import { type CompletionContext, completionContext } from "../../../adapters/cli/CompletionContext.ts"

const target: CompletionContext = { _tag: "Target", before: "" }
const first: CompletionContext = { _tag: "First", before: "" }
const flag: CompletionContext = { _tag: "Flag", verb: "exec" }
const value = (flag: string, before = ""): CompletionContext => ({ _tag: "Value", flag, before })

describe("the kind of the last word of a command line", () => {
  it.each([
    [[""], first],
    [["we"], first],
    [["-q", "-e", "A=1", "web"], target],
    [["--env=A=1", "-qi", ""], target],
    [["--all", "web.1,we"], { _tag: "Target", before: "web.1," }],
    [["--wait", ""], target],
    [["--wait=5s", ""], target],
    [["--wait", "5m", ""], target],
    [["--wait", "5m", "web", ""], { _tag: "Nothing" }],
    [["--all", "--node", "n", ""], target],
    [["-"], flag],
    [["--"], flag],
    [["-i", "--via"], flag],
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
    [["--node=n", ""], { _tag: "Nothing" }],
    [["exec", ""], target],
    [["exec", "cp", ""], { _tag: "Nothing" }],
    [["debug", ""], target],
    [["debug", "-it", "web", ""], { _tag: "Nothing" }],
    [["debug", "--ima"], { _tag: "Flag", verb: "debug" }],
    [["run", ""], { _tag: "Service" }],
    [["run", "--image", "i", "web", ""], { _tag: "Nothing" }],
    [["run", "--limit-"], { _tag: "Flag", verb: "run" }],
    [["wait", "web", ""], { _tag: "Service" }],
    [["-H", "tcp://a", "cp", ""], { _tag: "Path" }],
    [["cp", "web:/a", ""], { _tag: "Path" }],
    [["cp", "-a", "web:/a", "."], { _tag: "Path" }],
    [["cp", "web:/a", ".", ""], { _tag: "Nothing" }],
    [["cp", "web:/a", "--"], { _tag: "Flag", verb: "cp" }],
    [["cp", "--via", ""], value("via")],
    [["ls", ""], { _tag: "Service" }],
    [["ls", "web", ""], { _tag: "Nothing" }],
    [["ls", "--node", ""], value("node")],
    [["gc", "--d"], { _tag: "Flag", verb: "gc" }],
    [["service/cp", ""], { _tag: "Nothing" }],
    [["--", "cp", ""], { _tag: "Nothing" }],
    [["completion", "fish", ""], { _tag: "Nothing" }]
  ] as const)("%j", (words, expected) => {
    assert.deepStrictEqual(completionContext(words), expected)
  })
})
