/** The objects that a sweep finds on one engine, and their removal. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { judge, type Owner, type Selection } from "./Verdict.ts"

/**
 * The kind of an object that task-exec creates.
 *
 * @category leftovers
 * @since 0.1.0
 */
export const ObjectKind = Schema.Literals(["service", "secret", "network", "container"])

/**
 * The kind of an object that task-exec creates.
 *
 * @category leftovers
 * @since 0.1.0
 */
export type ObjectKind = typeof ObjectKind.Type

const identity = {
  kind: ObjectKind,
  id: Schema.String,
  name: Schema.String,
  /** Host name of a container's node. Other objects have none. */
  node: Schema.optionalKey(Schema.String)
}

const owner = {
  runId: Schema.String,
  role: Schema.String,
  /** Unix time in milliseconds. */
  deadline: Schema.Finite,
  /** `HOST:PID` of the caller that created it. */
  creator: Schema.String
}

/**
 * An object of task-exec that its run may still need.
 *
 * @category leftovers
 * @since 0.1.0
 */
export const Alive = Schema.Struct({ ...identity, ...owner })

/**
 * An object of task-exec that its run may still need.
 *
 * @category leftovers
 * @since 0.1.0
 */
export type Alive = typeof Alive.Type

/**
 * An object of task-exec that no run needs: it is past its deadline, or belongs to a run that the sweep was asked to remove.
 *
 * @category leftovers
 * @since 0.1.0
 */
export const Leftover = Schema.Struct({
  ...identity,
  ...owner,
  /** Whether the object was removed, by this sweep or by another process. */
  removed: Schema.Boolean,
  /** The reason why the removal failed. */
  error: Schema.optionalKey(Schema.String)
})

/**
 * An object of task-exec that no run needs: it is past its deadline, or belongs to a run that the sweep was asked to remove.
 *
 * @category leftovers
 * @since 0.1.0
 */
export type Leftover = typeof Leftover.Type

/**
 * An object with incomplete labels of task-exec. A sweep never removes it.
 *
 * @category leftovers
 * @since 0.1.0
 */
export const Unreadable = Schema.Struct({
  ...identity,
  /** What is wrong with the labels. */
  detail: Schema.String
})

/**
 * An object with incomplete labels of task-exec. A sweep never removes it.
 *
 * @category leftovers
 * @since 0.1.0
 */
export type Unreadable = typeof Unreadable.Type

/**
 * The objects of task-exec that a sweep found.
 *
 * @category leftovers
 * @since 0.1.0
 */
export const Findings = Schema.Struct({
  leftovers: Schema.Array(Leftover),
  unreadable: Schema.Array(Unreadable),
  /** Empty if the sweep is for certain runs. */
  alive: Schema.Array(Alive)
})

/**
 * The objects of task-exec that a sweep found.
 *
 * @category leftovers
 * @since 0.1.0
 */
export type Findings = typeof Findings.Type

/** Joins the findings of several engines. */
export const joinFindings = (all: ReadonlyArray<Findings>): Findings => ({
  leftovers: all.flatMap(({ leftovers }) => leftovers),
  unreadable: all.flatMap(({ unreadable }) => unreadable),
  alive: all.flatMap(({ alive }) => alive)
})

/** A sweep can't remove the object. */
export class NotRemovable extends Schema.TaggedError<NotRemovable>()("NotRemovable", {
  /** The reason, and the next step. */
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** An object with labels, and its removal. */
export interface Labelled {
  readonly kind: ObjectKind
  readonly id: string
  readonly name: string
  readonly node?: string
  readonly labels: Readonly<Record<string, string>>
  /** Removes the object. */
  readonly remove: Effect.Effect<void, SwarmFailure | NotRemovable>
}

/** Options of a sweep. */
export interface SweepMode {
  /** Remove nothing. */
  readonly dryRun: boolean
  readonly selection: Selection
}

/** The most removals at the same time. */
const concurrency = 8

/** Removes the leftovers among the objects. If a removal fails, the reason is in the findings, and the sweep continues. */
export const sweepObjects = Effect.fnUntraced(function* (
  objects: ReadonlyArray<Labelled>,
  mode: SweepMode
): Effect.fn.Return<Findings> {
  const chosen: Array<readonly [Labelled, Owner]> = []
  const unreadable: Array<Unreadable> = []
  const alive: Array<Alive> = []
  for (const object of objects) {
    const verdict = judge(object.labels, mode.selection)
    if (verdict._tag === "Alive") alive.push({ ...identityOf(object), ...verdict.owner })
    if (verdict._tag === "Leftover") chosen.push([object, verdict.owner])
    if (verdict._tag === "Unreadable") unreadable.push({ ...identityOf(object), detail: verdict.detail })
  }
  const leftovers = yield* Effect.forEach(
    chosen,
    ([object, owner]): Effect.Effect<Leftover> => {
      const found = { ...identityOf(object), ...owner }
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

const identityOf = ({ id, kind, name, node }: Labelled) => ({ kind, id, name, ...(node === undefined ? {} : { node }) })

const reasonOf = (error: SwarmFailure | NotRemovable): string =>
  error._tag === "EngineError" ? error.text : error.message
