/** `npm run swarm -- …`: swarms for development. */

import { join } from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { clustersDir, list } from "./ClusterState.ts"
import { checkMachine } from "./Install.ts"
import { engineOptions, engineVersions } from "./NewerEngine.ts"
import { pollUntil } from "./Poll.ts"
import { isAlive, type ProcessRef } from "./Processes.ts"
import { exportLines, statusTable } from "./Status.ts"
import { attach, bringUpFor, takeDown } from "./SwarmCluster.ts"

const usage = `Usage: npm run swarm -- COMMAND

Manages swarms for development on this machine.

Commands:
  up      Start a swarm:          [--name dev] [--nodes 3] [--managers 1] [--engine ${engineVersions.join(" | ")}]
  status  List its nodes:         [--name dev]
  env     Print its environment:  eval "$(npm run --silent swarm -- env)"   [--name dev]
  down    Remove it:              [--name dev | --all]
  sweep   Remove swarms that killed tests left: [--after PID/START waits for the end of that process]`

class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}\n\n${usage}`
  }
}

/** The process that owns swarms is still running. */
class StillAlive extends Schema.TaggedError<StillAlive>()("StillAlive", { pid: Schema.Int }) {
  override get message(): string {
    return `process ${this.pid} is still running after 60 s, so its swarms were not removed`
  }
}

interface Line {
  readonly command: string
  readonly name: string
  readonly nodes: number
  readonly managers: number
  readonly engine: string | undefined
  readonly all: boolean
  /** The process to wait for. */
  readonly after: ProcessRef | undefined
}

const count = (option: string, text: string): Effect.Effect<number, WrongUsage> => {
  const value = Number(text)
  return Number.isInteger(value) && value >= 1 && value <= 20
    ? Effect.succeed(value)
    : Effect.fail(
        new WrongUsage({ detail: `invalid --${option} ${JSON.stringify(text)}: expected a number from 1 to 20` })
      )
}

const parse = Effect.fnUntraced(function* (argv: ReadonlyArray<string>): Effect.fn.Return<Line, WrongUsage> {
  const { values, positionals } = yield* Effect.try({
    try: () =>
      parseArgs({
        args: [...argv],
        allowPositionals: true,
        options: {
          name: { type: "string", default: "dev" },
          nodes: { type: "string", default: "3" },
          managers: { type: "string", default: "1" },
          engine: { type: "string" },
          all: { type: "boolean", default: false },
          after: { type: "string" },
          help: { type: "boolean", short: "h", default: false }
        }
      }),
    catch: (error) => new WrongUsage({ detail: error instanceof Error ? error.message : String(error) })
  })
  const [command, ...rest] = positionals
  if (values.help)
    return {
      command: "help",
      name: values.name,
      nodes: 3,
      managers: 1,
      engine: undefined,
      all: false,
      after: undefined
    }
  if (command === undefined) return yield* new WrongUsage({ detail: "COMMAND is missing" })
  if (rest.length > 0) return yield* new WrongUsage({ detail: `unexpected argument ${JSON.stringify(rest[0])}` })
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(values.name))
    return yield* new WrongUsage({
      detail: `invalid --name ${JSON.stringify(values.name)}: expected up to 31 lower case letters, digits and dashes`
    })
  const nodes = yield* count("nodes", values.nodes)
  const managers = yield* count("managers", values.managers)
  if (managers > nodes)
    return yield* new WrongUsage({
      detail: `invalid --managers ${managers}: expected at most the number of nodes, ${nodes}`
    })
  const [, pid, startTime] = /^(\d+)\/(\d+)$/.exec(values.after ?? "") ?? []
  if (values.after !== undefined && startTime === undefined)
    return yield* new WrongUsage({ detail: `invalid --after ${JSON.stringify(values.after)}: expected PID/START` })
  const after = startTime === undefined ? undefined : { pid: Number(pid), startTime }
  return { command, name: values.name, nodes, managers, engine: values.engine, all: values.all, after }
})

const dirOf = (name: string) => Effect.map(clustersDir, (root) => join(root, name))

const up = Effect.fnUntraced(function* ({ name, nodes, managers, engine }: Line) {
  const other = engine === undefined ? {} : yield* engineOptions(engine)
  const started = yield* Clock.currentTimeMillis
  const cluster = yield* bringUpFor(null, { name, nodes, managers, ...other })
  const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
  yield* Console.log(`Swarm ${name} started in ${seconds.toFixed(1)} s. Registry: ${cluster.registry}\n`)
  yield* Console.log(yield* statusTable(cluster))
  const named = name === "dev" ? "" : ` --name ${name}`
  yield* Console.log(`\nUse it:    eval "$(npm run --silent swarm -- env${named})"`)
  yield* Console.log(`Remove it: npm run swarm -- down${named}`)
})

const status = Effect.fnUntraced(function* ({ name }: Line) {
  yield* Console.log(yield* statusTable(yield* attach(yield* dirOf(name))))
})

const env = Effect.fnUntraced(function* ({ name }: Line) {
  yield* Console.log(exportLines(yield* attach(yield* dirOf(name))))
})

const down = Effect.fnUntraced(function* ({ name, all }: Line) {
  const removed = yield* takeDown((state) => (all ? state.owner === null : state.id === name))
  yield* Console.log(removed.length === 0 ? "nothing to remove" : `removed ${removed.join(", ")}`)
  const left = yield* list
  if (all && left.length > 0)
    yield* Console.log(`kept, because their owners are running: ${left.map(({ id }) => id).join(", ")}`)
})

const sweep = Effect.fnUntraced(function* ({ after }: Line) {
  if (after !== undefined)
    yield* pollUntil(
      Effect.map(isAlive(after), (alive) => !alive),
      { atMost: 120_000, orElse: Effect.fail(new StillAlive({ pid: after.pid })) }
    )
  const removed = yield* takeDown(() => false)
  yield* Console.log(removed.length === 0 ? "nothing to remove" : `removed ${removed.join(", ")}`)
})

const commands: Readonly<Record<string, (line: Line) => Effect.Effect<void, { readonly message: string }>>> = {
  help: () => Console.log(usage),
  up,
  status,
  env,
  down,
  sweep
}

class Reported extends Schema.TaggedError<Reported>()("Reported", { code: Schema.Int }) {
  override get [Runtime.errorExitCode]() {
    return this.code
  }
}

const main = Effect.gen(function* () {
  const line = yield* parse(process.argv.slice(2))
  const command = commands[line.command]
  if (command === undefined) return yield* new WrongUsage({ detail: `no such command: ${line.command}` })
  if (line.command !== "help") yield* checkMachine()
  yield* command(line)
}).pipe(
  Effect.catch((error) =>
    Effect.andThen(
      Console.error(error.message),
      Effect.fail(new Reported({ code: error instanceof WrongUsage ? 2 : 1 }))
    )
  ),
  Effect.tapDefect((defect) => Console.error(defect))
)

NodeRuntime.runMain(main, { disableErrorReporting: true })
