import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { reasonOf, summaryOf, withHint } from "../../../src/engine/Hints.ts"
import { EngineUnreachable, InvalidEndpoint } from "../../../src/index.ts"

describe("the parts of a message", () => {
  it("are two sentences", () => {
    assert.strictEqual(withHint("cannot run it: no such file", "Create it."), "cannot run it: no such file. Create it.")
    assert.strictEqual(withHint("cannot pull it: Not found.", "Push it."), "cannot pull it: Not found. Push it.")
    assert.strictEqual(withHint("cannot run it: no such file", ""), "cannot run it: no such file")
  })

  it("a quoted error omits its next step", () => {
    const unreachable = new EngineUnreachable({
      host: "tcp://h:1",
      operation: "list tasks",
      reason: "Refused",
      detail: "connection refused"
    })
    assert.strictEqual(summaryOf(unreachable), "cannot connect to the Docker engine at tcp://h:1: connection refused")
    assert.strictEqual(unreachable.message, `${unreachable.summary}. ${unreachable.hint}`)
    const invalid = new InvalidEndpoint({ endpoint: "x://", detail: "no" })
    assert.strictEqual(summaryOf(invalid), invalid.message)
  })
})

describe("the reason of an error of Node", () => {
  it("is the system's text, without code and system call", () => {
    const said = (path: string) => {
      try {
        return readFileSync(path, "utf8")
      } catch (error) {
        return reasonOf(error)
      }
    }
    assert.strictEqual(said("/none/at all"), "no such file or directory")
    assert.strictEqual(said("/"), "illegal operation on a directory")
    assert.strictEqual(reasonOf("text"), "text")
  })
})
