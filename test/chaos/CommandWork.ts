/** Work with a command: in one task, on a terminal, in a task of its own, and in all tasks. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type StartCaller, startCaller } from "./Caller.ts"
import type { Plan } from "./Plan.ts"
import { runVariable } from "./ProcessWatch.ts"
import { readRecord } from "./Record.ts"
import { recordFolder, scriptOf, typed } from "./Script.ts"
import { onTerminal } from "./Terminal.ts"
import type { Job, MakeWork, TaskSeen } from "./Work.ts"

/** Exit codes that mean that the command and its child processes were killed. */
export const killed: ReadonlyArray<number | null | undefined> = [124, 130, 137, 143]

const flagsOf = ({ plan, token }: Job): ReadonlyArray<string> => [
  ...["--timeout", `${plan.timeout}ms`, "--grace", `${plan.grace}ms`, "-e", `${runVariable}=${token}`]
]

const placeOf = ({ stage, target }: Job): string => `${stage.service}@${target.name}`

const scriptFor = ({ plan, token }: Job): string => scriptOf(plan, `${recordFolder}/${token}`)

/** A command of which only one task of any node may have a record. */
const once =
  (argsOf: (job: Job) => ReadonlyArray<string>, startFor: (plan: Plan) => StartCaller = () => startCaller): MakeWork =>
  (job) =>
    Effect.succeed({
      args: argsOf(job),
      start: startFor(job.plan),
      look: (end, stdout) => {
        const { nodes, stage, target, token } = job
        const records = Effect.forEach(nodes, (node) => readRecord(stage.cluster, node, token))
        const exit = end?.code ?? undefined
        return Effect.map(records, (found) => ({
          tasks: [{ node: target.name, record: found.flat(), stdout, exit, isOver: killed.includes(exit) }]
        }))
      }
    })

/** A command in one task. */
export const command = once((job) => [...flagsOf(job), placeOf(job), "sh", "-c", scriptFor(job)])

/** A command on a terminal. */
export const terminal = once(
  (job) => ["-it", ...flagsOf(job), placeOf(job), "sh", "-c", scriptFor(job)],
  (plan) => onTerminal(typed(plan))
)

/** A command in a task of its own. */
export const oneOff = once((job) => ["run", "--entrypoint", "sh", ...flagsOf(job), placeOf(job), "-c", scriptFor(job)])

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

/** A command in all tasks. */
export const fanOut: MakeWork = (job) => {
  const { nodes, stage, token } = job
  return Effect.succeed({
    args: ["--all", "--output", "json", ...flagsOf(job), stage.service, "sh", "-c", scriptFor(job)],
    start: startCaller,
    look: (_end, stdout) => {
      const documents = documentsIn(stdout)
      const taskOn = (node: string, record: ReadonlyArray<string>): TaskSeen => {
        const own = documents.filter((document) => document.node === node)
        const last = own.find(({ event }) => event === "ended")
        const output = own.flatMap(({ data, event }) => (event === "stdout" ? [Buffer.from(data ?? "")] : []))
        return {
          node,
          record,
          stdout: Buffer.concat(output),
          exit: last?.exitCode,
          isOver: last?.result === "exited" || last?.error === "TimedOut"
        }
      }
      return Effect.forEach(nodes, (node) =>
        Effect.map(readRecord(stage.cluster, node, token), (record) => taskOn(node.name, record))
      ).pipe(Effect.map((tasks) => ({ tasks })))
    }
  })
}
