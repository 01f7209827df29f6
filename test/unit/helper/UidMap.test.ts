import { assert, describe, it } from "@effect/vitest"
import { EngineUnreachable, type UnreachableReason } from "../../../src/engine/EngineErrors.ts"
import { nameRemapping, rootOutside } from "../../../src/protocol/UidMap.ts"

describe("UidMap", () => {
  it("rootOutside: parses the kernel's map", () => {
    assert.strictEqual(rootOutside("         0          0 4294967295\n"), 0)
    assert.strictEqual(rootOutside("         0     100000      65536\n"), 100_000)
    assert.strictEqual(rootOutside("         1     100000      65536\n         0       1000          1\n"), 1000)
    assert.isUndefined(rootOutside("         1     100000      65536\n"))
    assert.isUndefined(rootOutside(""))
  })

  it("nameRemapping: keeps the error without remapping, and for other reasons", () => {
    const reasons: ReadonlyArray<UnreachableReason> = ["Permission", "NoSocket"]
    for (const reason of reasons) {
      const error = new EngineUnreachable({ host: "h", operation: "list containers", reason, detail: "no" })
      assert.strictEqual(nameRemapping(error), error)
    }
  })
})
