/** Both halves of the protocol in memory: the caller's, over a service log and a tunnel, and the executor's, with scripted commands. */
import { Buffer } from "node:buffer"
import { duplexPair } from "node:stream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Frame, FrameWriter, protocolVersion } from "../../../src/carrier/Frame.ts"
import { makeTunnel } from "../../../src/carrier/Tunnel.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { Node, type Task } from "../../../src/engine/SwarmSchemas.ts"
import type { ExecEvent, ExecInput } from "../../../src/executor/ExecEvent.ts"
import { type ExecSpec, endOf } from "../../../src/executor/ExecSpec.ts"
import type { KillResult } from "../../../src/executor/KillResult.ts"
import type { TunnelNeed } from "../../../src/helper/HelperRequest.ts"
import { memoize } from "../../../src/internal/memoize.ts"
import { makeOwnership } from "../../../src/Labels.ts"
import { openHelperConnection } from "../../../src/node/HelperConnection.ts"
import type { HelperTunnel } from "../../../src/node/HelperTunnel.ts"
import type { Specs } from "../../../src/node/NodeConnection.ts"
import { prepareCommands } from "../../../src/node/RemoteCommands.ts"
import type { RemoteError } from "../../../src/protocol/CommandMessages.ts"
import { byLog, byLogThenTunnel } from "../../../src/protocol/NodeCarrier.ts"
import { type CallerInput, serveCommands } from "../../../src/protocol/Server.ts"

/** A scripted command of the executor. */
export type Play = (input: CallerInput) => Stream.Stream<Frame, RemoteError>

/** A service log: the written records, which each reader gets from the first one. */
class MemoryLog {
  private readonly records: Array<Uint8Array> = []
  private changed = Latch.makeUnsafe(false)

  write(text: string): void {
    for (const line of text.split("\n").slice(0, -1)) {
      const header = Buffer.alloc(8)
      header.writeUInt8(1, 0)
      header.writeUInt32BE(line.length + 1, 4)
      this.records.push(Buffer.concat([header, Buffer.from(`${line}\n`)]))
    }
    Latch.openUnsafe(this.changed)
    this.changed = Latch.makeUnsafe(false)
  }

  read(follow: boolean): Stream.Stream<Uint8Array> {
    let at = 0
    const next: Effect.Effect<ReadonlyArray<Uint8Array>> = Effect.suspend(() => {
      const more = this.records.slice(at)
      at = this.records.length
      if (more.length > 0 || !follow) return Effect.succeed(more)
      return Effect.andThen(this.changed.await, next)
    })
    return follow
      ? Stream.flattenIterable(Stream.fromEffectRepeat(next))
      : Stream.flattenIterable(Stream.fromEffect(next))
  }
}

/** Options of the two halves. */
export interface HalvesOptions {
  readonly commands: readonly [Play, ...ReadonlyArray<Play>]
  /** How many commands start at the same time. Default: all. */
  readonly first?: number
  /** When the tunnel opens. Without it there is only the log. */
  readonly tunnel?: { readonly from: TunnelNeed; readonly arrives: Effect.Effect<void> }
  /** The executor's protocol version. Default: the caller's. */
  readonly protocol?: number
  /** The kill result of commands that another helper ends. */
  readonly killResult?: KillResult
  /** The input of all commands. */
  readonly stdin?: Stream.Stream<Uint8Array>
}

const readNode = Schema.decodeUnknownEffect(Node)

const specOf = (index: number, stdin: boolean): ExecSpec => ({
  runId: `run-${index}`,
  container: `container-${index}`,
  command: ["play"],
  env: [],
  privileged: false,
  stdin,
  detach: false,
  signal: "SIGTERM",
  grace: 1000,
  policy: {}
})

/** Both halves, until the scope closes. */
export const openHalves = Effect.fnUntraced(function* (options: HalvesOptions) {
  const {
    commands,
    killResult = { _tag: "Killed" },
    first = commands.length,
    protocol = protocolVersion,
    stdin
  } = options
  const log = new MemoryLog()
  const [near, far] = duplexPair()
  let state = "running"
  const ended: Array<ReadonlyArray<string>> = []
  const scope = yield* Effect.scope
  const channels = commands.map((_, index) => index + 1)
  const task: Task = {
    ID: "task",
    Version: { Index: 1 },
    CreatedAt: "",
    UpdatedAt: "",
    Labels: {},
    Spec: {},
    ServiceID: "service",
    Slot: 1,
    NodeID: "node",
    Status: { Timestamp: "", State: "running", Message: "started" },
    DesiredState: "running",
    NetworksAttachments: []
  }
  const engine = Layer.mock(Swarm)({
    host: "memory",
    createSecret: () => Effect.succeed("secret"),
    removeSecret: () => Effect.void,
    createService: () => Effect.succeed({ id: "service", warnings: [] }),
    removeService: () => Effect.void,
    listTasks: () => Effect.sync(() => [{ ...task, Status: { ...task.Status, State: state } }]),
    inspectTask: () => Effect.sync(() => ({ ...task, Status: { ...task.Status, State: "complete" } })),
    inspectNode: () => Effect.orDie(readNode({ ID: "node", Version: { Index: 1 }, Status: { State: "ready" } })),
    serviceLogs: (_, { follow }) => Effect.succeed(log.read(follow))
  })

  /** The executor. It ends with its scope. */
  const serve = Effect.fnUntraced(function* (begin: ReadonlyArray<number>) {
    const writer = new FrameWriter(1)
    const target = {
      write: (channel: number, frames: ReadonlyArray<Frame>) =>
        Effect.sync(() => {
          const text = frames.map((frame) => writer.lines(frame, channel)).join("")
          log.write(text)
          return text.length
        })
    }
    yield* target.write(0, [{ _tag: "Hello", protocol, version: "test" }])
    const { tunnel } = options
    const carrier =
      tunnel === undefined
        ? yield* byLog(target)
        : yield* byLogThenTunnel(target, {
            from: tunnel.from,
            open: () => Effect.andThen(tunnel.arrives, makeTunnel(far, { channels }))
          })
    yield* serveCommands(
      carrier,
      commands.map((run, index) => ({ begins: begin.includes(index), input: undefined, run }))
    )
    state = "complete"
  })

  const server = yield* Deferred.make<Scope.Closeable>()
  const helperTunnel =
    options.tunnel === undefined
      ? undefined
      : ({
          request: { key: "key", networks: ["network"], from: options.tunnel.from },
          tunnel: yield* memoize(Effect.andThen(options.tunnel.arrives, makeTunnel(near, { channels }))),
          reachable: () => undefined,
          unreachable: () => undefined
        } satisfies HelperTunnel)
  const specs: Specs = [
    specOf(0, stdin !== undefined),
    ...commands.slice(1).map((_, at) => specOf(at + 1, stdin !== undefined))
  ]
  const placement = {
    image: "image",
    node: { id: "node", hostname: "there", state: "ready", availability: "active" },
    task: "web.1",
    placementTimeout: 1000
  }
  const nodeCommands = yield* prepareCommands("there", specs, first, {
    open: Effect.fnUntraced(function* (begin, inputs) {
      const serving = yield* Scope.fork(scope)
      yield* Effect.forkIn(Effect.ignore(Scope.provide(serve(begin), serving)), serving)
      yield* Deferred.succeed(server, serving)
      const owner = yield* makeOwnership(undefined)
      const connection = yield* openHelperConnection({
        placement,
        owner,
        work: { _tag: "Exec", specs, begin },
        helperTunnel
      })
      return { line: connection.line, stdin: (index: number) => inputs.get(index)?.stdin ?? Stream.empty }
    }, Effect.provide(engine)),
    mayBeServing: () => true,
    endElsewhere: (runs) =>
      Effect.sync(() => {
        ended.push(runs.map(({ runId }) => runId))
        return runs.map(() => killResult)
      })
  })

  const input: ExecInput = { stdin: stdin ?? Stream.empty, sizes: Stream.empty }
  return {
    /** Runs the command with this index. */
    exec: (index: number) =>
      Effect.map(nodeCommands.exec(index, input), (made) => ({ ...made, run: endOf(specs[index] ?? specs[0]) })),
    leave: nodeCommands.leave,
    /** The runs that another helper has ended, in groups. */
    ended,
    /** Ends the executor as `kill -9` does: the log ends, the tunnel breaks, and Swarm sees the task's end. */
    kill: Effect.gen(function* () {
      yield* Scope.close(yield* Deferred.await(server), Exit.void)
      far.destroy()
      state = "failed"
    }),
    /** Stops all data from the executor. */
    silence: Effect.sync(() => {
      far.cork()
    }),
    /** Breaks the connection, while the executor continues. */
    cut: Effect.sync(() => {
      near.destroy()
      far.destroy()
    })
  }
})

/** The events of a command: its output by stream, and its end. */
export const outcome = <E extends { readonly _tag: string }, R>(events: Stream.Stream<ExecEvent, E, R>) =>
  Effect.gen(function* () {
    const bytes = { Stdout: [] as Array<Uint8Array>, Stderr: [] as Array<Uint8Array> }
    let end = "nothing"
    yield* Stream.runForEach(events, (event) =>
      Effect.sync(() => {
        if (event._tag === "Stdout" || event._tag === "Stderr") bytes[event._tag].push(event.data)
        if (event._tag === "Exited") end = `exit ${event.code}`
      })
    ).pipe(
      Effect.catch((error) =>
        Effect.sync(() => {
          end = error._tag
        })
      ),
      Effect.scoped
    )
    return { stdout: Buffer.concat(bytes.Stdout).toString(), stderr: Buffer.concat(bytes.Stderr).toString(), end }
  })
