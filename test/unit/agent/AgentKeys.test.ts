import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { deriveKey, type KeyScope, makeKeyPair, readKeyPair, writeKeyPair } from "../../../src/agent/AgentKeys.ts"
import { secureClient } from "../../../src/carrier/TunnelTls.ts"
import { listening } from "../carrier/Listening.ts"

const scope: KeyScope = { deployment: "task-exec-agent-1", node: "node-a", task: "task-a" }
const hex = (own: ReturnType<typeof makeKeyPair>, side: "caller" | "agent", other: string, of: KeyScope = scope) =>
  Result.map(deriveKey(own, side, other, of), ({ key }) => Buffer.from(key).toString("hex"))

describe("the key of a connection to an agent", () => {
  const [callers, agent, other] = [makeKeyPair(), makeKeyPair(), makeKeyPair()]
  const wanted = hex(callers, "caller", agent.publicKey)

  it("is equal on both sides, also after the caller's key pair was encoded and decoded", () => {
    assert.deepStrictEqual(hex(agent, "agent", callers.publicKey), wanted)
    const read = Result.getOrThrow(readKeyPair(writeKeyPair(callers)))
    assert.strictEqual(read.publicKey, callers.publicKey)
    assert.deepStrictEqual(hex(read, "caller", agent.publicKey), wanted)
  })

  it.prop(
    "differs for another node, task or deployment",
    [Schema.Struct({ deployment: Schema.String, node: Schema.String, task: Schema.String })],
    ([of]) => {
      const isSame = of.deployment === scope.deployment && of.node === scope.node && of.task === scope.task
      assert.strictEqual(
        Result.getOrThrow(hex(callers, "caller", agent.publicKey, of)) === Result.getOrThrow(wanted),
        isSame
      )
    }
  )

  it("cannot be derived from the secrets of another node", () => {
    // Root on a node has the public half of the callers' key, all agents' public halves, and the private half of its own agent.
    for (const side of ["caller", "agent"] as const)
      for (const known of [callers.publicKey, agent.publicKey, other.publicKey])
        assert.notDeepEqual(hex(other, side, known), wanted)
  })

  it("is refused if the other half is no key, or a weak key", () => {
    for (const half of ["", "AA", Buffer.alloc(32).toString("base64url"), `${"A".repeat(42)}?`])
      assert.isTrue(Result.isFailure(hex(callers, "caller", half)), half)
    for (const text of ["", "AAAA", Buffer.from("{}").toString("base64")])
      assert.isTrue(Result.isFailure(readKeyPair(text)), text)
  })

  it.live("opens its own agent, and no agent of another node, version or key pair", () =>
    Effect.gen(function* () {
      const here = Result.getOrThrow(deriveKey(agent, "agent", callers.publicKey, scope))
      const { accepted, dial } = yield* listening(here)
      const attempt = (own: typeof callers, key: string, of: KeyScope, identity?: string) => {
        const derived = Result.getOrThrow(deriveKey(own, "caller", key, of))
        return Effect.flatMap(dial, (socket) =>
          secureClient(socket, { ...derived, ...(identity === undefined ? {} : { identity }) })
        ).pipe(Effect.scoped, Effect.isSuccess)
      }
      assert.isFalse(yield* attempt(callers, agent.publicKey, { ...scope, node: "node-b" }))
      assert.isFalse(yield* attempt(callers, agent.publicKey, { ...scope, task: "task-b" }))
      assert.isFalse(yield* attempt(callers, other.publicKey, scope))
      assert.isFalse(yield* attempt(other, agent.publicKey, scope))
      assert.isFalse(yield* attempt(callers, agent.publicKey, scope, "task-exec-agent/2"))
      assert.strictEqual(accepted(), 0)
      assert.isTrue(yield* attempt(callers, agent.publicKey, scope))
      assert.strictEqual(accepted(), 1)
    })
  )
})
