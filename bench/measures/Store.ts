/** `store`: what a command on another node leaves in the managers' Raft store. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { get } from "../../test/cluster/EngineApi.ts"
import { poll } from "../../test/cluster/Poll.ts"
import { type Comparison, compare } from "../Comparison.ts"
import { type Bench, halved, taskExec } from "../Contenders.ts"
import { type Contender, inTurns, warmUp } from "../Measure.ts"
import type { Stage } from "../Stage.ts"
import { bareHelpers } from "./Cold.ts"

/** The store keeps changing. */
export class StoreRestless extends Schema.TaggedError<StoreRestless>()("StoreRestless", {}) {
  override get message(): string {
    return "the idle swarm's store keeps changing"
  }
}

/** The objects in the store, and the size of its log. */
interface Contents {
  readonly objects: number
  /** Bytes written to its log in total. */
  readonly written: number
}

const kinds = ["services", "tasks", "secrets", "configs", "networks", "nodes"]
const Objects = Schema.Array(Schema.Unknown)

/** The length of a file without the zeros at its end. */
export const lengthUsed = (bytes: Buffer): number => {
  let length = bytes.length
  while (length > 0 && bytes[length - 1] === 0) length--
  return length
}

/** Log files are allocated at their full length and filled from the start. */
const writtenTo = (folder: string) =>
  Effect.promise(async () => {
    const files = (await readdir(folder)).filter((name) => name.endsWith(".wal")).sort()
    const lengths = await Promise.all(files.map(async (name) => lengthUsed(await readFile(join(folder, name)))))
    return lengths.reduce((sum, one) => sum + one, 0)
  })

const look = Effect.fnUntraced(function* ({ log, manager }: Stage) {
  const all = yield* Effect.forEach(kinds, (kind) => get(manager.socket, `/${kind}`, Objects))
  const contents: Contents = {
    objects: all.reduce((sum, objects) => sum + objects.length, 0),
    written: yield* writtenTo(log)
  }
  return contents
})

/** The content of the store once it has stopped changing: tasks are deleted some time after their service. */
const atRest = Effect.fnUntraced(function* (stage: Stage) {
  let since = 0
  let before: Contents = { objects: -1, written: -1 }
  const calm = Effect.gen(function* () {
    const now = yield* look(stage)
    since = now.objects === before.objects && now.written === before.written ? since + 1 : 0
    before = now
    return since === 3 ? Option.some(now) : Option.none()
  })
  return yield* poll(calm, { every: 500, atMost: 60_000, orElse: Effect.fail(new StoreRestless()) })
})

/** What a run adds to the store. */
const added = Effect.fnUntraced(function* (contender: Contender, { options, stage }: Bench) {
  const before = yield* atRest(stage)
  yield* warmUp(contender, options)
  const after = yield* atRest(stage)
  const more: Contents = { objects: after.objects - before.objects, written: after.written - before.written }
  return more
})

const figures: ReadonlyArray<readonly [title: string, unit: Comparison["unit"], of: (contents: Contents) => number]> = [
  ["Objects that a command leaves in the swarm's store", "objects", ({ objects }) => objects],
  ["Bytes that a command writes to the log of the swarm's store", "bytes", ({ written }) => written]
]

/** Measures what each contender leaves in the store and writes to its log. */
export const store = Effect.fn("Measure.store")(function* (bench: Bench) {
  const { options, original, stage } = bench
  const { runs } = halved(options)
  const { remote } = stage
  const contenders = [
    taskExec(remote.target, "true"),
    (yield* bareHelpers(options, stage)).busybox,
    ...(original === undefined ? [] : [original.taskExec(remote.taskId, "true")])
  ]
  yield* Console.error(`measuring the store: ${contenders.length} commands, 1 + ${runs} times each`)
  const taken = yield* inTurns(
    contenders.map((one) => added(one, bench)),
    runs
  )
  return figures.flatMap(([title, unit, of]): ReadonlyArray<Comparison> => {
    const [ours, ...others] = contenders.map(({ name }, at) => ({ name, samples: (taken[at] ?? []).map(of) }))
    return ours === undefined ? [] : [compare({ measure: "store", title, unit }, ours, others)]
  })
})
