/** `swarm-exec exec CONTAINER COMMAND [ARG...]`: runs a command in any container of the connected engine. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { recordRun, targetOf } from "../../src/audit/Recording.ts"
import { type Container, swarmTaskLabel } from "../../src/engine/EngineSchemas.ts"
import { CurrentInventory } from "../../src/engine/Inventory.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { type ExecEvent, runToEnd } from "../../src/executor/ExecEvent.ts"
import type { ExecSpec } from "../../src/executor/ExecSpec.ts"
import { openInventory } from "../../src/executor/RunInventory.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { makeOwnership } from "../../src/Labels.ts"
import { openLocalNode } from "../../src/node/LocalNode.ts"
import { callerDeniesByDefault, withCallerDefault } from "../../src/policy/Permission.ts"
import { lookupTask } from "../../src/target/Lookup.ts"
import type { LookupError } from "../../src/target/LookupErrors.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { audited } from "../audit/Auditing.ts"
import { Channel } from "../command/Channel.ts"
import { exitCodeOf, usageHint } from "../command/ExitCode.ts"
import { logTo } from "../command/Logging.ts"
import { UsageError } from "../command/Usage.ts"
import { inOneEntry } from "../Printable.ts"

/** Milliseconds between TERM and KILL when the command is ended, as for `task-exec`. */
const grace = 10_000

/**
 * Forwards the command's stdout, stderr and exit code; the other codes are those of `task-exec`. The container is given by its
 * name, its ID or a unique prefix of its ID. There is no timeout. An interrupt ends the command with everything it started.
 */
export const containerExecCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const stderr = new Channel(2)
  /** Writes an error and returns its exit code. If stderr is closed too, the text is dropped. */
  const fail = (error: { readonly _tag: string; readonly message: string }) => {
    const text = `swarm-exec exec: ${inOneEntry(error.message)}${usageHint("swarm-exec", error)}`
    return Effect.as(error._tag === "OutputClosed" ? Effect.void : Effect.ignore(stderr.line(text)), exitCodeOf(error))
  }
  const usage = (detail: string) => fail(new UsageError({ detail }))

  const [first = "", ...rest] = argv
  if (first.startsWith("-") && first !== "--") return usage(`unknown option ${first}`)
  const [container = "", ...command] = first === "--" ? rest : rest[0] === "--" ? [first, ...rest.slice(1)] : argv
  const [program = "", ...words] = command
  if (container === "" || program === "") return usage("CONTAINER or COMMAND is missing")

  return run(container, [program, ...words], stderr).pipe(Effect.catch(fail), Effect.provide(logTo(stderr, false)))
}

/**
 * The task of a container, if the connected engine is a manager. Its policy then applies. On other engines, only the container's own label
 * does.
 */
const taskOf = ({ Config: { Labels }, Id }: Container): Effect.Effect<ResolvedTask | undefined, LookupError, Swarm> => {
  const id = Labels[swarmTaskLabel]
  if (id === undefined) return Effect.succeed(undefined)
  return lookupTask({ _tag: "Task", text: id, id }).pipe(
    // An image that was committed from a task's container has the task's labels, too.
    Effect.map((task) => (task.container === Id ? task : undefined)),
    Effect.catchTag(["NotSwarmManager", "TaskNotFound"], () => Effect.succeed(undefined))
  )
}

const run = Effect.fn("swarm-exec.exec")(
  function* (name: string, command: readonly [string, ...ReadonlyArray<string>], stderr: Channel) {
    // An invalid environment is reported before any request.
    const deniesByDefault = yield* callerDeniesByDefault
    const engine = yield* Swarm.use((swarm) => swarm.engine)
    const { reference } = yield* HelperImage
    const found = yield* engine.inspectContainer(name)
    const container = found.Id
    const task = yield* taskOf(found)
    const owner = yield* makeOwnership(undefined)
    const spec: ExecSpec = {
      runId: owner.runId,
      container,
      command,
      env: [],
      stdin: false,
      privileged: false,
      detach: false,
      signal: "SIGTERM",
      grace,
      policy: withCallerDefault(task?.policy ?? {}, deniesByDefault)
    }
    const recording = yield* recordRun(task === undefined ? { container } : targetOf(task), "local", spec)
    const local = yield* openLocalNode({ image: reference, owner })
    const commands = yield* local.commands([spec], 1)
    const { events: raw } = yield* commands.exec(0, { stdin: Stream.empty, sizes: Stream.empty })
    const events = recording.events(raw)

    const inventory = yield* openInventory
    const running = {
      runId: owner.runId,
      kind: "command",
      where: `container ${container.slice(0, 12)}`,
      grace
    } as const
    const stdout = new Channel(1)
    const show = (event: ExecEvent) => {
      if (event._tag === "Started") inventory.started(running)
      if (event._tag === "Exited") inventory.ended(running)
      switch (event._tag) {
        case "Stdout":
          return stdout.write(event.data)
        case "Stderr":
          return stderr.write(event.data)
        case "Exited":
          return Effect.void
        case "Started":
        case "Detached":
          return Effect.void
      }
    }
    // The command is never detached, so it has an exit code.
    return (yield* runToEnd(Stream.provideService(events, CurrentInventory, inventory), show)) ?? 0
  },
  Effect.scoped,
  audited(),
  Effect.provide(HelperImage.layer),
  Effect.provide(Swarm.layer)
)
