/** What a sweep finds at one place, and what becomes of it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { judge, type Owner, type Selection } from "./Verdict.ts"

/** What an object is to the engine. */
export const ObjectKind = Schema.Literals(["service", "secret", "network", "container"])

/** What an object is to the engine. */
export type ObjectKind = typeof ObjectKind.Type

const place = {
  kind: ObjectKind,
  id: Schema.String,
  name: Schema.String,
  /** Host name of its node; only containers are somewhere. */
  node: Schema.optionalKey(Schema.String)
}

const owner = {
  runId: Schema.String,
  role: Schema.String,
  /** Unix time in milliseconds. */
  deadline: Schema.Finite,
  /** `HOST:PID` of the caller that made it. */
  creator: Schema.String
}

/** An object of ours that its run may still need. */
export const Alive = Schema.Struct({ ...place, ...owner })

/** An object of ours that its run may still need. */
export type Alive = typeof Alive.Type

/** An object of ours that is to go. */
export const Leftover = Schema.Struct({
  ...place,
  ...owner,
  /** Whether it is gone, also if another process removed it. */
  removed: Schema.Boolean,
  /** Why it is not removed, if it was to be. */
  error: Schema.optionalKey(Schema.String)
})

/** An object of ours that is to go. */
export type Leftover = typeof Leftover.Type

/** An object with labels of ours that don't say enough. It is never removed. */
export const Unreadable = Schema.Struct({
  ...place,
  /** What is wrong with its labels. */
  detail: Schema.String
})

/** An object with labels of ours that don't say enough. It is never removed. */
export type Unreadable = typeof Unreadable.Type

/** What was found at one place. */
export const Findings = Schema.Struct({
  leftovers: Schema.Array(Leftover),
  unreadable: Schema.Array(Unreadable),
  /** Empty where only certain runs were asked for. */
  alive: Schema.Array(Alive)
})

/** What was found at one place. */
export type Findings = typeof Findings.Type

/** What was found at several places. */
export const joinFindings = (all: ReadonlyArray<Findings>): Findings => ({
  leftovers: all.flatMap(({ leftovers }) => leftovers),
  unreadable: all.flatMap(({ unreadable }) => unreadable),
  alive: all.flatMap(({ alive }) => alive)
})

/** This engine can't remove it. */
export class NotRemovable extends Schema.TaggedError<NotRemovable>()("NotRemovable", {
  /** What to do instead. */
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** An object that carries labels. */
export interface Labelled {
  readonly kind: ObjectKind
  readonly id: string
  readonly name: string
  readonly node?: string
  readonly labels: Readonly<Record<string, string>>
  /** Removes it. */
  readonly remove: Effect.Effect<void, SwarmFailure | NotRemovable>
}

/** How to sweep. */
export interface SweepMode {
  /** Only look. */
  readonly dryRun: boolean
  readonly selection: Selection
}

/** Removals at the same time. */
const concurrency = 8

/**
 * Judges the objects and removes those that are to go. An object that can't be removed does not keep the
 * others from it: why is in the findings.
 */
export const sweepObjects = Effect.fnUntraced(function* (
  objects: ReadonlyArray<Labelled>,
  mode: SweepMode
): Effect.fn.Return<Findings> {
  const chosen: Array<readonly [Labelled, Owner]> = []
  const unreadable: Array<Unreadable> = []
  const alive: Array<Alive> = []
  for (const object of objects) {
    const verdict = judge(object.labels, mode.selection)
    if (verdict._tag === "Alive") alive.push({ ...placeOf(object), ...verdict.owner })
    if (verdict._tag === "Leftover") chosen.push([object, verdict.owner])
    if (verdict._tag === "Unreadable") unreadable.push({ ...placeOf(object), detail: verdict.detail })
  }
  const leftovers = yield* Effect.forEach(
    chosen,
    ([object, owner]): Effect.Effect<Leftover> => {
      const found = { ...placeOf(object), ...owner }
      if (mode.dryRun) return Effect.succeed({ ...found, removed: false })
      return object.remove.pipe(
        // Another program removed it first.
        Effect.catchIf(isNotFound, () => Effect.void),
        Effect.match({
          onSuccess: () => ({ ...found, removed: true }),
          onFailure: (error) => ({ ...found, removed: false, error: reasonOf(error) })
        })
      )
    },
    { concurrency }
  )
  return { leftovers, unreadable, alive }
})

const placeOf = ({ id, kind, name, node }: Labelled) => ({ kind, id, name, ...(node === undefined ? {} : { node }) })

const reasonOf = (error: SwarmFailure | NotRemovable): string =>
  error._tag === "EngineError" ? error.text : error.message
