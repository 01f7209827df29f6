import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { EngineError, EngineUnreachable, type UnreachableReason } from "../../../src/engine/EngineErrors.ts"
import type { EngineClient, RequestFailure } from "../../../src/engine/internal/EngineClient.ts"
import { type ManagersClient, overManagers } from "../../../src/engine/internal/Managers.ts"

const unreachable = (host: string, reason: UnreachableReason) =>
  new EngineUnreachable({ host, operation: "ask", reason, detail: "gone" })

/** A manager that records a request, and answers with its name or fails. */
const manager = (host: string, asked: Array<string>, failure: () => RequestFailure | undefined): EngineClient => {
  const answer = Effect.suspend(() => {
    asked.push(host)
    const error = failure()
    return error === undefined ? Effect.succeed(Buffer.from(host)) : Effect.fail(error)
  })
  const unused = () => Effect.die("not in this test")
  return {
    host,
    request: () => answer,
    json: () => unused,
    head: unused,
    upload: unused,
    stream: unused,
    hijack: unused,
    broken: () => () => unreachable(host, "Lost"),
    timedOut: () => unreachable(host, "Timeout")
  }
}

const request = (method: "GET" | "POST") => ({ operation: "ask", method, path: "/", timeout: Duration.seconds(1) })
const ask = (client: ManagersClient, method: "GET" | "POST") => Effect.map(client.request(request(method)), String)

describe("Managers", () => {
  it.effect("the next manager is used if one cannot be reached, and is then the first one", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const client = overManagers([
        manager("a", asked, () => unreachable("a", "Refused")),
        manager("b", asked, () => undefined)
      ])
      assert.strictEqual(yield* ask(client, "POST"), "b")
      assert.strictEqual(yield* ask(client, "POST"), "b")
      assert.deepStrictEqual(asked, ["a", "b", "b"])
      assert.strictEqual(client.host, "a,b")
    })
  )

  it.effect("only reads are repeated, because another request may have been carried out", () =>
    Effect.gen(function* () {
      for (const reason of ["Timeout", "Lost"] as const) {
        const asked: Array<string> = []
        const client = overManagers([
          manager("a", asked, () => unreachable("a", reason)),
          manager("b", asked, () => undefined)
        ])
        assert.strictEqual((yield* Effect.flip(ask(client, "POST")))._tag, "EngineUnreachable")
        assert.deepStrictEqual(asked, ["a"])
        assert.strictEqual(yield* ask(client, "GET"), "b")
      }
    })
  )

  it.effect("if none can be reached, each was tried once and the last one's error is returned", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const client = overManagers([
        manager("a", asked, () => unreachable("a", "NoSocket")),
        manager("b", asked, () => unreachable("b", "Refused"))
      ])
      const error = yield* Effect.flip(ask(client, "GET"))
      assert(error._tag === "EngineUnreachable")
      assert.strictEqual(error.host, "b")
      assert.deepStrictEqual(asked, ["a", "b"])
    })
  )

  it.effect("waits at most 30 seconds for a swarm without a leader", () =>
    Effect.gen(function* () {
      let left = 10
      const text = "The swarm does not have a leader. It's possible that too few managers are online."
      const noLeader = new EngineError({ host: "a", operation: "ask", status: 500, text })
      const client = overManagers([manager("a", [], () => (left-- > 0 ? noLeader : undefined))])
      const patient = yield* Effect.forkChild(ask(client, "POST"))
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(yield* Fiber.join(patient), "a")
      left = Number.POSITIVE_INFINITY
      const hopeless = yield* Effect.forkChild(Effect.flip(ask(client, "POST")))
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(yield* Fiber.join(hopeless), noLeader)
    })
  )
})
