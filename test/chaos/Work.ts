/** The work of a caller, and its observed effects: the nodes' disks, and local files. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ClusterNode } from "../cluster/SwarmCluster.ts"
import type { CallerEnd } from "./Caller.ts"
import { contentOf, type Plan, recordFolder, scriptOf } from "./Plan.ts"
import { runVariable } from "./ProcessWatch.ts"
import { readRecord, recordFile } from "./Record.ts"
import type { Stage } from "./Stage.ts"

/** The observations of the command in one task. */
export interface TaskSeen {
  readonly node: string
  /** The lines that the command recorded. */
  readonly record: ReadonlyArray<string>
  /** The output that the caller received. */
  readonly stdout: Buffer
  /** The exit code that the caller reports. `undefined` if it reports none. */
  readonly exit: number | undefined
  /** Whether the caller reports that nothing of the command runs. */
  readonly isOver: boolean
}

/** The observed effects of a run's work. */
export interface WorkSeen {
  /** One for a command, none for a copy. */
  readonly tasks: ReadonlyArray<TaskSeen>
  /** The destination of the copy: missing, incomplete or wrong, or complete. */
  readonly copied: "nothing" | "part" | "whole" | undefined
}

/** The work of a caller. */
export interface Work {
  readonly args: ReadonlyArray<string>
  /** Observes the effects and removes them. */
  readonly look: (end: CallerEnd | undefined, stdout: Buffer) => Effect.Effect<WorkSeen>
}

/** Exit codes that mean that the command and its child processes were killed. */
export const killed: ReadonlyArray<number | null | undefined> = [124, 130, 137, 143]

const Document = Schema.fromJsonString(
  Schema.Struct({
    event: Schema.String,
    node: Schema.optionalKey(Schema.String),
    data: Schema.optionalKey(Schema.String),
    result: Schema.optionalKey(Schema.String),
    exitCode: Schema.optionalKey(Schema.Int),
    error: Schema.optionalKey(Schema.String)
  })
)
type Document = typeof Document.Type
const decode = Schema.decodeUnknownOption(Document)

/** The JSON documents of a fan-out. Skips a line that a killed caller did not finish. */
const documentsIn = (stdout: Buffer): ReadonlyArray<Document> =>
  stdout
    .toString()
    .split("\n")
    .flatMap((line) => Option.toArray(decode(line)))

const commandFlags = (plan: Plan, token: string): ReadonlyArray<string> => [
  ...["--timeout", `${plan.timeout}ms`, "--grace", `${plan.grace}ms`, "-e", `${runVariable}=${token}`]
]

/** Creates the objects of a run's work, for the scope. `nodes`: the nodes with targets. */
export const makeWork = Effect.fnUntraced(function* (
  { cluster, service }: Stage,
  plan: Plan,
  token: string,
  target: ClusterNode,
  nodes: ReadonlyArray<ClusterNode>
) {
  const place = `${service}@${target.name}`
  const path = `${recordFolder}/${token}`
  const script = ["sh", "-c", scriptOf(plan, path)]
  if (plan.kind === "command") {
    const work: Work = {
      args: [...commandFlags(plan, token), place, ...script],
      look: (end, stdout) =>
        Effect.map(readRecord(cluster, target, token), (record) => {
          const exit = end?.code ?? undefined
          return {
            tasks: [{ node: target.name, record, stdout, exit, isOver: killed.includes(exit) }],
            copied: undefined
          }
        })
    }
    return work
  }
  if (plan.kind === "fan-out") {
    const work: Work = {
      args: ["--all", "--output", "json", ...commandFlags(plan, token), service, ...script],
      look: (_end, stdout) => {
        const documents = documentsIn(stdout)
        return Effect.forEach(nodes, (node) =>
          Effect.map(readRecord(cluster, node, token), (record): TaskSeen => {
            const own = documents.filter((document) => document.node === node.name)
            const last = own.find(({ event }) => event === "ended")
            return {
              node: node.name,
              record,
              stdout: Buffer.concat(
                own.flatMap(({ data, event }) => (event === "stdout" ? [Buffer.from(data ?? "")] : []))
              ),
              exit: last?.exitCode,
              isOver: last?.result === "exited" || last?.error === "TimedOut"
            }
          })
        ).pipe(Effect.map((tasks) => ({ tasks, copied: undefined })))
      }
    }
    return work
  }
  const content = contentOf(plan)
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-chaos-"))),
    (dir) => Effect.promise(() => rm(dir, { recursive: true }))
  )
  const here = join(folder, "file")
  const there = recordFile(cluster, target, token)
  const [source, destination] = plan.kind === "copy-in" ? [here, there] : [there, here]
  const remove = Effect.promise(() => rm(there, { force: true }))
  yield* Effect.acquireRelease(
    Effect.promise(() => writeFile(source, content)),
    () => remove
  )
  const work: Work = {
    args: ["cp", ...(plan.kind === "copy-in" ? [here, `${place}:${path}`] : [`${place}:${path}`, here])],
    look: () =>
      Effect.promise(() => readFile(destination).catch(() => undefined)).pipe(
        Effect.map((found) => ({
          tasks: [],
          copied:
            found === undefined ? ("nothing" as const) : found.equals(content) ? ("whole" as const) : ("part" as const)
        }))
      )
  }
  return work
})
