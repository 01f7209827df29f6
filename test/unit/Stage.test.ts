import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { beginStage, commandStages, inStage, type Stage, StageObserver } from "../../src/Stage.ts"

/** The notifications of an observer, and the ended spans with their parents. */
const observe = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const reported: Array<string> = []
  const spans: Array<string> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const end = span.end.bind(span)
      span.end = (time, exit) => {
        const parent = options.parent._tag === "Some" && "name" in options.parent.value ? options.parent.value.name : ""
        spans.push(`${parent}/${options.name} ${JSON.stringify(Object.fromEntries(span.attributes))}`)
        end(time, exit)
      }
      return span
    }
  })
  return Effect.exit(effect).pipe(
    Effect.provideService(StageObserver, {
      began: ({ _tag }) => void reported.push(`+${_tag}`),
      ended: ({ _tag }) => void reported.push(`-${_tag}`)
    }),
    Effect.withTracer(tracer),
    Effect.map((exit) => ({ exit, reported, spans }))
  )
}

const find: Stage = { _tag: "Find", target: "web" }

describe("stages", () => {
  it.effect("report an effect that runs as a stage, and are the parents of its spans", () =>
    Effect.gen(function* () {
      const { spans, reported } = yield* observe(Effect.void.pipe(Effect.withSpan("inner"), inStage(find)))
      assert.deepStrictEqual(reported, ["+Find", "-Find"])
      assert.deepStrictEqual(spans, ["TaskExec.stage.find/inner {}", '/TaskExec.stage.find {"target":"web"}'])
    })
  )

  it.effect("end with their effect, whatever its result", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* observe(inStage(find)(Effect.fail("no")))).reported, ["+Find", "-Find"])
      const isIn = yield* Deferred.make<void>()
      const endless = Effect.andThen(Deferred.succeed(isIn, undefined), Effect.never)
      const reported: Array<string> = []
      const fiber = yield* inStage(find)(endless).pipe(
        Effect.provideService(StageObserver, { began: () => reported.push("+"), ended: () => reported.push("-") }),
        Effect.forkChild
      )
      yield* Deferred.await(isIn)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(reported, ["+", "-"])
    })
  )

  it.effect("end once, even if ended by hand and by their scope", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const end = yield* beginStage(find)
        yield* beginStage({ _tag: "Run" })
        end()
        end()
      })
      const { spans, reported } = yield* observe(Effect.scoped(program))
      assert.deepStrictEqual(reported, ["+Find", "+Run", "-Find", "-Run"])
      assert.lengthOf(spans, 2)
    })
  )

  it.effect("of a command are Run, and before it Start if it starts on the connected engine", () =>
    Effect.gen(function* () {
      const program = (startsNow: boolean) =>
        Effect.gen(function* () {
          const { end, see } = yield* commandStages(startsNow)
          yield* see({ _tag: "Started", execId: "x" })
          yield* see({ _tag: "Stdout", data: new Uint8Array(1) })
          yield* see({ _tag: "Exited", code: 0 })
          yield* end
        }).pipe(Effect.scoped)
      assert.deepStrictEqual((yield* observe(program(true))).reported, ["+Start", "-Start", "+Run", "-Run"])
      assert.deepStrictEqual((yield* observe(program(false))).reported, ["+Run", "-Run"])
    })
  )
})
