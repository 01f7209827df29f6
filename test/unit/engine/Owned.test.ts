import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { EngineError, EngineUnreachable, type UnreachableReason } from "../../../src/engine/EngineErrors.ts"
import { type Belonging, CurrentInventory, Inventory } from "../../../src/engine/Inventory.ts"
import { owned, removeOnce } from "../../../src/engine/Owned.ts"

const unreachable = (reason: UnreachableReason) =>
  new EngineUnreachable({ host: "tcp://m:2375", operation: "remove it", reason, detail: "gone" })

const objects: ReadonlyArray<Belonging> = [
  { kind: "secret", name: "one", runId: "a" },
  { kind: "service", name: "one", runId: "a" },
  { kind: "network", name: "two", runId: "b" }
]

/** Creates these objects and removes them with this effect. Returns the duration of the removals, and the number of attempts for each. */
const removing = (removal: Effect.Effect<void, EngineUnreachable | EngineError>) =>
  Effect.gen(function* () {
    const inventory = new Inventory(new Inventory())
    let tries = 0
    const counted = Effect.andThen(
      Effect.sync(() => {
        tries++
      }),
      removal
    )
    const made = Effect.forEach(objects, (object) => owned(Effect.void, counted, object), { discard: true })
    const run = Effect.andThen(Effect.scoped(made), Clock.currentTimeMillis).pipe(
      Effect.provideService(CurrentInventory, inventory)
    )
    const began = yield* Clock.currentTimeMillis
    const fiber = yield* Effect.forkChild(run)
    for (let second = 0; second < 120; second++) yield* TestClock.adjust("1 second")
    return { took: (yield* Fiber.join(fiber)) - began, tries, complaint: inventory.complaint(), inventory }
  })

const left = "cannot remove network two, service one, secret one: cannot connect to the Docker engine at tcp://m:2375"

describe("the removal of a run's objects", () => {
  it.effect("warns about none of the objects that are removed", () =>
    Effect.gen(function* () {
      const { complaint, inventory, tries } = yield* removing(Effect.void)
      assert.deepStrictEqual([complaint, tries, inventory.objects.size], [undefined, 3, 0])
    })
  )

  it.effect("gives a refusing engine one time limit for all objects, and warns with one cause and one command", () =>
    Effect.gen(function* () {
      const { complaint, took, tries } = yield* removing(Effect.suspend(() => Effect.fail(unreachable("Refused"))))
      assert.isAtLeast(took, 15_000)
      assert.isAtMost(took, 25_000)
      assert.isAbove(tries, 3)
      assert.strictEqual(complaint, `${left}: gone. Remove them with: task-exec gc --run b --run a`)
    })
  )

  it.effect("sends a silent engine one request per object", () =>
    Effect.gen(function* () {
      const { complaint, took, tries } = yield* removing(Effect.suspend(() => Effect.fail(unreachable("Silent"))))
      assert.deepStrictEqual([took, tries], [0, 3])
      assert.include(complaint, left)
    })
  )

  it.effect("gives an engine that does not answer one time limit for all objects", () =>
    Effect.gen(function* () {
      const { complaint, took } = yield* removing(Effect.never)
      assert.strictEqual(took, 51_000)
      assert.include(complaint, "no response within 45s")
    })
  )

  it.effect("removes a network that is in use for 30 seconds", () =>
    Effect.gen(function* () {
      const free = (yield* Clock.currentTimeMillis) + 30_000
      const inUse = new EngineError({ host: "m", operation: "remove it", status: 403, text: "has active endpoints" })
      const { complaint } = yield* removing(
        Effect.flatMap(Clock.currentTimeMillis, (now) => (now < free ? Effect.fail(inUse) : Effect.void))
      )
      assert.strictEqual(complaint, undefined)
    })
  )

  it.effect("repeats a request that the engine answers too late", () =>
    Effect.gen(function* () {
      let asked = 0
      const late = Effect.suspend(() =>
        asked++ === 0 ? Effect.delay(Effect.fail(unreachable("Timeout")), "20 seconds") : Effect.void
      )
      const { complaint } = yield* removing(late)
      assert.strictEqual(complaint, undefined)
    })
  )

  it.effect("is complete if the engine returns in time", () =>
    Effect.gen(function* () {
      const back = (yield* Clock.currentTimeMillis) + 8000
      const { complaint } = yield* removing(
        Effect.flatMap(Clock.currentTimeMillis, (now) => (now < back ? unreachable("Refused") : Effect.void))
      )
      assert.strictEqual(complaint, undefined)
    })
  )

  it.effect("asks a new leader again that does not know an object yet, and an engine only once", () =>
    Effect.gen(function* () {
      const notFound = new EngineError({ host: "m", operation: "remove it", status: 404, text: "not found" })
      const inventory = new Inventory()
      for (const [kind, tries] of [
        ["secret", 2],
        ["container", 1]
      ] as const) {
        let tried = 0
        const removal = Effect.suspend(() => (tried++ === 0 ? Effect.fail(notFound) : Effect.void))
        const fiber = yield* owned(Effect.void, removal, { kind, name: "one", runId: "a" }).pipe(
          Effect.scoped,
          Effect.provideService(CurrentInventory, inventory),
          Effect.forkChild
        )
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual([kind, tried, inventory.objects.size], [kind, tries, 0])
      }
    })
  )

  it.effect("takes an object for gone that nobody knows for a second, and removes nothing twice", () =>
    Effect.gen(function* () {
      const notFound = new EngineError({ host: "m", operation: "remove it", status: 404, text: "not found" })
      const inventory = new Inventory()
      const began = yield* Clock.currentTimeMillis
      const made = owned(Effect.void, Effect.fail(notFound), { kind: "service", name: "one", runId: "a" })
      const fiber = yield* made.pipe(
        Effect.scoped,
        Effect.andThen(Clock.currentTimeMillis),
        Effect.provideService(CurrentInventory, inventory),
        Effect.forkChild
      )
      for (let tenth = 0; tenth < 20; tenth++) yield* TestClock.adjust("100 millis")
      assert.isAtMost((yield* Fiber.join(fiber)) - began, 1600)
      assert.deepStrictEqual([inventory.objects.size, inventory.complaint()], [0, undefined])
      let removals = 0
      const once = removeOnce(Effect.suspend(() => (removals++ === 0 ? Effect.fail(notFound) : Effect.void)))
      yield* Effect.flip(once)
      yield* Effect.andThen(once, once)
      assert.strictEqual(removals, 2)
    })
  )

  it.effect("skips objects that were never requested", () =>
    Effect.gen(function* () {
      const inventory = new Inventory()
      let removed = 0
      const removal = Effect.sync(() => {
        removed++
      })
      const [object] = objects
      assert(object !== undefined)
      for (const reason of ["Refused", "Silent"] as const) {
        const creation = Effect.suspend(() => Effect.fail(unreachable(reason)))
        yield* Effect.scoped(owned(creation, removal, object)).pipe(
          Effect.flip,
          Effect.provideService(CurrentInventory, inventory)
        )
      }
      assert.deepStrictEqual([removed, inventory.objects.size], [0, 0])
      for (const error of [
        unreachable("Lost"),
        new EngineError({ host: "m", operation: "o", status: 409, text: "" })
      ]) {
        const creation = Effect.suspend(() => Effect.fail(error))
        yield* Effect.scoped(owned(creation, removal, object)).pipe(
          Effect.flip,
          Effect.provideService(CurrentInventory, inventory)
        )
      }
      assert.deepStrictEqual([removed, inventory.objects.size], [2, 0])
    })
  )
})
