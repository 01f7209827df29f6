/**
 * Finds crashed engines: Go wrote a panic to the engine's log, or the engine's process has ended although no test stopped it.
 *
 * A crash is reported once, in a file in the cluster's folder. A cluster with that file must not be used for further tests.
 */

import { existsSync } from "node:fs"
import { open, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { enginePids, isMeantToBeDown, logFileOf } from "./Engine.ts"
import { isAlive, type ProcessRef, refOf } from "./Processes.ts"

/** The parts of a node that matter for a crash. */
interface EngineNode {
  readonly name: string
  /** The first process of its machine, as this process sees it. */
  readonly pid: number
}

/** The engine of a node has crashed. */
export class EngineCrashed extends Schema.TaggedError<EngineCrashed>()("EngineCrashed", {
  node: Schema.String,
  /** The first lines of the panic. Without a panic, the last lines of the log. */
  excerpt: Schema.String
}) {
  override get message(): string {
    return `the engine of ${this.node} crashed:\n${this.excerpt}`
  }
}

/**
 * The first line of a crash in an engine's log. Go's runtime: `panic: …` and `fatal error: …` exit, `SIGABRT: abort` ends by a signal.
 * net/http: `http: panic serving …` and `http2: panic serving …` end one request only. Raft: `level=panic` precedes its own panic.
 */
const crashStart = /^(?:panic: |fatal error: |SIG[A-Z]+: )|http2?: panic serving|level=panic /

const excerptLines = 12

/** The first lines of the first crash in an engine's log. `undefined` without a crash. */
export const crashExcerpt = (log: string): string | undefined => {
  const lines = log.split("\n")
  const start = lines.findIndex((line) => crashStart.test(line))
  return start === -1
    ? undefined
    : lines
        .slice(start, start + excerptLines)
        .join("\n")
        .trimEnd()
}

/** The file that reports the crash of a cluster. */
export const crashFile = (clusterDir: string): string => join(clusterDir, "crash.json")

const CrashText = Schema.fromJsonString(EngineCrashed)
const decodeCrash = Schema.decodeEffect(CrashText)
const encodeCrash = Schema.encodeEffect(CrashText)

/** The reported crash of a cluster, if any. */
export const knownCrash = (clusterDir: string): Effect.Effect<EngineCrashed | undefined> =>
  existsSync(crashFile(clusterDir))
    ? Effect.promise(() => readFile(crashFile(clusterDir), "utf8")).pipe(Effect.flatMap(decodeCrash), Effect.orDie)
    : Effect.succeed(undefined)

/** The parts of a cluster that matter for a crash. */
export interface CrashScene {
  readonly dir: string
  readonly nodes: ReadonlyArray<EngineNode>
}

/** How many bytes of each log were searched without finding a crash. */
const searched = new Map<string, number>()

/** Searches the part of an engine's log since the last search. An incomplete line is searched again. */
const crashInLog = async (file: string): Promise<string | undefined> => {
  if (!existsSync(file)) return undefined
  const start = searched.get(file) ?? 0
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const bytes = Buffer.alloc(Math.max(0, size - start))
    await handle.read(bytes, 0, bytes.length, start)
    const found = crashExcerpt(bytes.toString())
    if (found === undefined) searched.set(file, start + bytes.lastIndexOf("\n") + 1)
    return found
  } finally {
    await handle.close()
  }
}

const lastLines = async (file: string): Promise<string> =>
  (await readFile(file, "utf8").catch(() => "(no log)")).trimEnd().split("\n").slice(-excerptLines).join("\n")

/** The engines' processes at the last search, by machine. A search reads about all processes of this host. */
const lastSeen = new Map<number, ProcessRef>()

const runsEngine = Effect.fnUntraced(function* (machinePid: number) {
  const known = lastSeen.get(machinePid)
  if (known !== undefined && (yield* isAlive(known))) return true
  const [found] = yield* enginePids(machinePid)
  const engine = found === undefined ? undefined : yield* refOf(found)
  if (engine !== undefined) lastSeen.set(machinePid, engine)
  return found !== undefined
})

const crashOf = Effect.fnUntraced(function* (dir: string, { name, pid }: EngineNode) {
  const log = logFileOf(dir, name)
  // In this order: the next search of the log finds a panic that the engine is writing.
  const isGone = !(yield* runsEngine(pid)) && !isMeantToBeDown(dir, name)
  const excerpt = yield* Effect.promise(() => crashInLog(log))
  if (excerpt !== undefined) return new EngineCrashed({ node: name, excerpt })
  if (!isGone) return undefined
  const end = yield* Effect.promise(() => lastLines(log))
  return new EngineCrashed({
    node: name,
    excerpt: `its process is gone, and nothing ended it. Its log ends with:\n${end}`
  })
})

/** The first crash in a cluster, reported or not. */
export const crashIn = Effect.fn("EngineCrash.crashIn")(function* ({ dir, nodes }: CrashScene) {
  const known = yield* knownCrash(dir)
  // A removed cluster has no engines.
  if (known !== undefined || !existsSync(dir)) return known
  const crashes = yield* Effect.forEach(nodes, (node) => crashOf(dir, node))
  return crashes.find((one) => one !== undefined)
})

/** The first crash in a cluster that was not reported. Reports it, so that each crash is returned once. */
export const findNewCrash = Effect.fn("EngineCrash.findNew")(function* (scene: CrashScene) {
  if ((yield* knownCrash(scene.dir)) !== undefined) return undefined
  const crash = yield* crashIn(scene)
  if (crash === undefined) return undefined
  const text = yield* Effect.orDie(encodeCrash(crash))
  yield* Effect.promise(() => writeFile(crashFile(scene.dir), text))
  return crash
})
