/** Forwards local ports to a task, with a session for each task that it follows. */
import type { Socket } from "node:net"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { TunnelLost } from "../carrier/Channel.ts"
import { summaryOf } from "../engine/Hints.ts"
import { type CheckedRequest, checkRequest, millis } from "../request/CheckedRequest.ts"
import { InvalidRequest } from "../request/InvalidRequest.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import type { Target } from "../target/Target.ts"
import { ConnectionReset } from "./ForwardErrors.ts"
import type { OpenConnection } from "./Forwarder.ts"
import type {
  ForwardError,
  ForwardEvent,
  Forwarding,
  ForwardPort,
  ForwardRequest,
  TaskConnection
} from "./Forwarding.ts"
import { callersSide, mostConnections } from "./ForwardProtocol.ts"
import { type ForwardSession, forwardCommand, openForwardSession, type RunChecked } from "./ForwardSession.ts"
import { joinSocket, reset } from "./joinSocket.ts"
import { listen } from "./Listen.ts"

/** The time for a replacement if the request has none. */
const defaultWait = "5 minutes" satisfies Duration.Input
/** Milliseconds between two attempts to open a session, at first and at most. */
const pauses = { first: 250, most: 5000 }
/** The most events that wait for their reader. */
const eventRoom = 1024

/** Errors that do not pass: the replacement of a task has them, too. */
const isFinal = ({ _tag }: ForwardError): boolean =>
  ["InvalidRequest", "InvalidTarget", "PolicyDenied", "ProtectedTarget", "TaskNotFound", "WaitTimedOut"].includes(_tag)

/** Forwards ports: see `TaskExec.forward`. */
export const forwardPorts = Effect.fn("TaskExec.forward")(function* (
  request: ForwardRequest,
  run: RunChecked
): Effect.fn.Return<Forwarding, ForwardError, Scope.Scope> {
  const { addresses = ["127.0.0.1"], follow = false, ports, ...target } = request
  yield* checkPorts(ports)
  const command = forwardCommand(request)
  const checked = yield* checkRequest({ ...target, command })
  const waitMillis = yield* millis("wait", target.wait ?? defaultWait)
  const events = yield* Effect.acquireRelease(
    Queue.sliding<ForwardEvent, ForwardError | Cause.Done>(eventRoom),
    Queue.shutdown
  )
  const emit = (event: ForwardEvent) => Queue.offerUnsafe(events, event)

  // Ports are bound before anything is created. A connection waits until the session is open.
  let current = yield* Deferred.make<ForwardSession, ForwardError>()
  const connections = yield* FiberSet.make()
  const start = yield* FiberSet.runtime(connections)()
  let open = 0
  const serve = Effect.fnUntraced(function* (socket: Socket, remote: number) {
    const { forwarder } = yield* Deferred.await(current)
    const { channel, incoming } = yield* forwarder.connect(remote)
    emit({ _tag: "Connected", remote })
    yield* joinSocket(channel, incoming, socket, callersSide)
  }, Effect.scoped)
  const onConnection = (remote: number) => (socket: Socket) => {
    socket.on("error", () => undefined)
    const refuse = (reason: string) => {
      reset(socket)
      emit({ _tag: "Refused", remote, reason })
    }
    if (open >= mostConnections) return refuse(`${mostConnections} connections are open`)
    open++
    const served = serve(socket, remote).pipe(
      Effect.catchTag("PortUnreachable", ({ reason }) => Effect.sync(() => refuse(reason))),
      // The session's end is reported once, not by each connection.
      Effect.catch(({ message }) => Effect.logDebug(message)),
      Effect.ensuring(
        Effect.sync(() => {
          open--
          if (!socket.destroyed) reset(socket)
        })
      )
    )
    start(served)
  }
  const bound = yield* Effect.forEach(
    addresses.flatMap((address) => ports.map((port) => ({ ...port, address }))),
    ({ address, local, remote }) =>
      Effect.map(listen(address, local ?? remote, onConnection(remote)), (port) => ({ address, local: port, remote }))
  )

  /** Opens a session, and runs it until it ends. */
  const session = (
    next: CheckedRequest,
    opened: (session: ForwardSession) => void
  ): Effect.Effect<never, ForwardError> =>
    Effect.scoped(
      Effect.gen(function* () {
        const made = yield* openForwardSession(next, command, run)
        yield* Deferred.succeed(current, made)
        emit({ _tag: "Opened", task: made.task, route: made.route })
        opened(made)
        return yield* made.ended
      })
    )

  const rounds = Effect.gen(function* () {
    let next = checked
    let last: ForwardSession | undefined
    let deadline = Number.POSITIVE_INFINITY
    let pause = pauses.first
    while (true) {
      const error = yield* Effect.flip(
        session(next, (made) => {
          last = made
          deadline = Number.POSITIVE_INFINITY
          pause = pauses.first
        })
      )
      const now = yield* Clock.currentTimeMillis
      if (!follow || last === undefined || isFinal(error) || now >= deadline) return yield* Effect.fail(error)
      if (deadline === Number.POSITIVE_INFINITY) {
        deadline = now + waitMillis
        current = yield* Deferred.make<ForwardSession, ForwardError>()
        emit({ _tag: "Lost", task: last.task, error })
      } else {
        yield* Effect.logDebug(`still waiting: ${summaryOf(error)}`)
        yield* Effect.sleep(pause)
        pause = Math.min(2 * pause, pauses.most)
      }
      next = { ...checked, target: targetOfSlot(last.task), wait: Math.max(deadline - now, pauses.most) }
    }
  })
  yield* rounds.pipe(
    Effect.tapCause((cause) => Effect.andThen(Deferred.failCause(current, cause), Queue.failCause(events, cause))),
    Effect.ignoreCause,
    Effect.forkScoped
  )
  const { route, task } = yield* Deferred.await(current)

  return {
    task,
    route,
    ports: bound,
    events: Stream.fromQueue(events),
    connect: Effect.fnUntraced(function* (remote) {
      const { ended, forwarder } = yield* Effect.suspend(() => Deferred.await(current))
      return yield* Effect.map(
        Effect.catchTag(forwarder.connect(remote), "TunnelLost", () => ended),
        connectionOver
      )
    })
  }
})

const lost = ({ detail }: TunnelLost) => new ConnectionReset({ detail })

const connectionOver = ({ channel, incoming }: OpenConnection): TaskConnection => {
  const { reads, writes } = callersSide
  let isEnded = false
  const bytes = incoming.pipe(
    Stream.mapError(lost),
    Stream.takeUntil(({ _tag }) => _tag === "End"),
    Stream.mapEffect((record) => {
      isEnded ||= record._tag === "End"
      return record._tag === "Data"
        ? Effect.as(channel.consumed(reads, record.data.length), [record.data])
        : Effect.succeed([])
    }),
    Stream.flattenIterable
  )
  const end = Stream.suspend(() =>
    isEnded ? Stream.empty : Stream.fail(new ConnectionReset({ detail: "the task closed it" }))
  )
  return {
    readable: Stream.concat(bytes, end),
    writable: Sink.forEachArray((chunks: ReadonlyArray<Uint8Array>) =>
      Effect.mapError(channel.write(writes, Buffer.concat(chunks)), lost)
    ).pipe(Sink.mapEffect(() => Effect.mapError(channel.end(writes), lost)))
  }
}

/** Returns the target that names the task of the same slot or, for a global service, of the same node. */
const targetOfSlot = ({ name, node, service, slot }: ResolvedTask): Target => ({
  _tag: "Service",
  text: name,
  service: service.id,
  ...(slot === undefined ? { node: node.id } : { slot })
})

const maxPort = 65_535

const checkPorts = (ports: ReadonlyArray<ForwardPort>): Effect.Effect<void, InvalidRequest> => {
  const isPort = (port: number, least: number) => Number.isInteger(port) && port >= least && port <= maxPort
  const invalid = ports
    .flatMap(({ local = 1, remote }) => [
      ...(isPort(local, 0) ? [] : [`${local} is not a local port: expected 0 to ${maxPort}`]),
      ...(isPort(remote, 1) ? [] : [`${remote} is not a port: expected 1 to ${maxPort}`])
    ])
    .at(0)
  const detail = ports.length === 0 ? "there are no ports to forward" : invalid
  return detail === undefined ? Effect.void : Effect.fail(new InvalidRequest({ detail }))
}
