import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { chooseEngine } from "../../../adapters/command/EngineChoice.ts"
import { withEngine } from "../../../adapters/command/withEngine.ts"
import { CurrentInventory, Inventory } from "../../../src/engine/Inventory.ts"

/** The clean-up command that a run suggests, and its DOCKER_HOST. */
const seen = (host?: string, context?: string) =>
  Effect.gen(function* () {
    const choice = yield* chooseEngine(host, context)
    return yield* Effect.gen(function* () {
      const own = new Inventory(yield* CurrentInventory)
      const object = { kind: "service", name: "task-exec-abc", runId: "abc" } as const
      own.add(object)
      own.failed(object, "no")
      return [own.complaint(), yield* Config.String("DOCKER_HOST").pipe(Config.withDefault(""))]
    }).pipe(withEngine(choice), Effect.provideService(CurrentInventory, new Inventory()))
  })

describe("the engine of a command line", () => {
  const left = "cannot remove service task-exec-abc: no. Remove it with: task-exec gc"

  it.effect("is used, and is named in suggested commands", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* seen("tcp://a:2376,tcp://b:2376"), [
        `${left} -H tcp://a:2376,tcp://b:2376 --run abc`,
        "tcp://a:2376,tcp://b:2376"
      ])
      assert.deepStrictEqual(yield* seen(undefined, "prod"), [`${left} --context prod --run abc`, ""])
      assert.deepStrictEqual((yield* seen())[0], `${left} --run abc`)
    })
  )

  it.effect("is quoted for a shell", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        (yield* seen("unix:///my engine's.sock"))[0],
        `${left} -H 'unix:///my engine'\\''s.sock' --run abc`
      )
    })
  )
})
