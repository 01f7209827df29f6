import { assert, describe, it } from "@effect/vitest"
import { EngineUnreachable, type UnreachableReason } from "../../../src/engine/EngineErrors.ts"
import { nameRemapping, rootOutside } from "../../../src/protocol/UidMap.ts"

describe("UidMap", () => {
  it("tells the user ID of the container's root outside of it, from the kernel's map", () => {
    assert.strictEqual(rootOutside("         0          0 4294967295\n"), 0)
    assert.strictEqual(rootOutside("         0     100000      65536\n"), 100_000)
    assert.strictEqual(rootOutside("         1     100000      65536\n         0       1000          1\n"), 1000)
    assert.isUndefined(rootOutside("         1     100000      65536\n"))
    assert.isUndefined(rootOutside(""))
  })

  it("keeps an error if user namespaces are not remapped, or if it has another reason", () => {
    const reasons: ReadonlyArray<UnreachableReason> = ["Permission", "NoSocket"]
    for (const reason of reasons) {
      const error = new EngineUnreachable({ host: "h", operation: "list containers", reason, detail: "no" })
      assert.strictEqual(nameRemapping(error), error)
    }
  })
})
