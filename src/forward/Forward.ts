/** Forwards local ports to a task. */
import type { Socket } from "node:net"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { TunnelLost } from "../carrier/Channel.ts"
import { summaryOf } from "../engine/Hints.ts"
import { tapSome } from "../internal/tapSome.ts"
import { forwardProgram } from "../policy/Policy.ts"
import type { RunError, RunEvent } from "../Run.ts"
import { type CheckedRequest, checkRequest, millis } from "../request/CheckedRequest.ts"
import type { ExecRequest } from "../request/ExecRequest.ts"
import { InvalidRequest } from "../request/InvalidRequest.ts"
import type { Route } from "../request/Via.ts"
import { openSession, toDuplex } from "../Session.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import type { Target } from "../target/Target.ts"
import { type CannotListen, ConnectionReset, ForwardingEnded, type PortUnreachable } from "./ForwardErrors.ts"
import { type Forwarder, type OpenConnection, openForwarder } from "./Forwarder.ts"
import { callersSide, mostConnections } from "./ForwardProtocol.ts"
import { joinSocket, reset } from "./joinSocket.ts"
import { listen } from "./Listen.ts"

/**
 * The ports to forward to one task.
 *
 * @category requests
 * @since 0.2.0
 */
export interface ForwardRequest extends Pick<ExecRequest, "target" | "wait" | "via" | "image" | "placementTimeout"> {
  /** The ports. At least one. */
  readonly ports: ReadonlyArray<ForwardPort>
  /** Local addresses to listen on; default `127.0.0.1`. With an empty list, only `connect` opens connections. */
  readonly addresses?: ReadonlyArray<string>
  /**
   * When the task ends, wait for its replacement and go on; default `false`. Listeners stay open, and new connections wait. `wait` bounds the
   * time for each replacement; its default is then 5 minutes.
   */
  readonly follow?: boolean
}

/**
 * A port of the task, and the local port that leads to it.
 *
 * @category requests
 * @since 0.2.0
 */
export interface ForwardPort {
  /** Local port; 0 picks a free one. Default: the number of the task's port. */
  readonly local?: number
  /** Port in the task's network. */
  readonly remote: number
}

/**
 * A local port that is open.
 *
 * @category forwarding
 * @since 0.2.0
 */
export interface BoundPort {
  readonly address: string
  readonly local: number
  readonly remote: number
}

/**
 * An event of forwarded ports.
 *
 * @category forwarding
 * @since 0.2.0
 */
export type ForwardEvent =
  /** The session with the task is open. With `follow`, once for each task. */
  | { readonly _tag: "Opened"; readonly task: ResolvedTask; readonly route: Route }
  /** A local connection has reached the task's port. */
  | { readonly _tag: "Connected"; readonly remote: number }
  /** A local connection was reset, because the task's port cannot be reached. */
  | { readonly _tag: "Refused"; readonly remote: number; readonly reason: string }
  /** The session has ended, its connections are reset, and forwarding waits for the task's replacement. Only with `follow`. */
  | { readonly _tag: "Lost"; readonly task: ResolvedTask; readonly error: ForwardError }

/**
 * A connection to a port of a task.
 *
 * @category forwarding
 * @since 0.2.0
 */
export interface TaskConnection {
  /** What the task sends. Run it once. Fails if the connection is reset. */
  readonly readable: Stream.Stream<Uint8Array, ConnectionReset>
  /** What the task receives, with backpressure. The end of the input ends this direction. Run it once. */
  readonly writable: Sink.Sink<void, Uint8Array, never, ConnectionReset>
}

/**
 * Ports that are forwarded until the scope closes: see `TaskExec.forward`.
 *
 * @category forwarding
 * @since 0.2.0
 */
export interface Forwarding {
  /** The task at the start. */
  readonly task: ResolvedTask
  readonly route: Route
  /** The open local ports, in the order of the request; with several addresses, each port on each address. */
  readonly ports: ReadonlyArray<BoundPort>
  /**
   * The events. Fails when forwarding ends by itself. Holds the last 1024 events that were not read. Run it once.
   */
  readonly events: Stream.Stream<ForwardEvent, ForwardError>
  /** Opens one connection to a port of the request, without a listener. The connection is closed with the scope. */
  readonly connect: (remote: number) => Effect.Effect<TaskConnection, ForwardError | PortUnreachable, Scope.Scope>
}

/**
 * Every error with which forwarding can fail.
 *
 * @category errors
 * @since 0.2.0
 */
export type ForwardError = RunError | CannotListen | ForwardingEnded

/** Runs a validated command. */
export type RunChecked = (checked: CheckedRequest) => Stream.Stream<RunEvent, RunError>

/** The time for a replacement if the request has none. */
const defaultWait = "5 minutes" satisfies Duration.Input
/** Milliseconds between two attempts to open a session, at first and at most. */
const pauses = { first: 250, most: 5000 }
/** The time in which the process in the task's network ends after its caller has closed the session. */
const goodbye = "3 seconds"
/** The most events that wait for their reader. */
const eventRoom = 1024

/** Errors that do not pass: the replacement of a task has them, too. */
const isFinal = ({ _tag }: ForwardError): boolean =>
  ["InvalidRequest", "InvalidTarget", "PolicyDenied", "ProtectedTarget", "TaskNotFound", "WaitTimedOut"].includes(_tag)

/** A session with one task. */
interface Session {
  readonly task: ResolvedTask
  readonly route: Route
  readonly forwarder: Forwarder
  /** Fails when the session has ended. */
  readonly ended: Effect.Effect<never, ForwardError>
}

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
  let current = yield* Deferred.make<Session, ForwardError>()
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
  const session = (next: CheckedRequest, opened: (session: Session) => void): Effect.Effect<never, ForwardError> =>
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
    let last: Session | undefined
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
        current = yield* Deferred.make<Session, ForwardError>()
        emit({ _tag: "Lost", task: last.task, error })
      } else {
        yield* Effect.logDebug(`still waiting: ${summaryOf(error)}`)
        yield* Effect.sleep(pause)
        pause = Math.min(2 * pause, pauses.most)
      }
      next = { ...checked, target: placeOf(last.task), wait: Math.max(deadline - now, pauses.most) }
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

/** Returns the command of a session, as policies and audit records have it. */
export const forwardCommand = ({
  ports
}: Pick<ForwardRequest, "ports">): readonly [string, ...ReadonlyArray<string>] => [
  forwardProgram,
  ...new Set(ports.map(({ remote }) => String(remote)))
]

/** Opens a session with the task of a request. Fails if the task can't be reached. */
const openForwardSession = Effect.fnUntraced(function* (
  checked: CheckedRequest,
  command: ReadonlyArray<string>,
  run: RunChecked
): Effect.fn.Return<Session, ForwardError, Scope.Scope> {
  const started = yield* Deferred.make<{ readonly task: ResolvedTask; readonly route: Route }>()
  let resolved: (RunEvent & { readonly _tag: "Resolved" }) | undefined
  const observe = (event: RunEvent): Effect.Effect<unknown> | undefined => {
    if (event._tag === "Resolved") resolved = event
    return event._tag === "Started" && resolved !== undefined ? Deferred.succeed(started, resolved) : undefined
  }
  const session = yield* openSession({ target: checked.target.text, command }, ({ stdin = Stream.empty }) =>
    run({
      ...checked,
      toolbox: { _tag: "Forward" },
      stdin: true,
      input: { stdin, sizes: Stream.empty }
    }).pipe(tapSome(observe))
  )
  let complaint = ""
  const onStderr = (data: Uint8Array) => {
    complaint = `${complaint}${Buffer.from(data).toString()}`.slice(-1000)
  }
  const process = yield* toDuplex(session, { onStderr })
  const endedWith = (detail: string) =>
    new ForwardingEnded({
      task: resolved?.task.name ?? checked.target.text,
      node: resolved?.task.node.hostname ?? "",
      detail
    })
  const outcome = session.outcome.pipe(
    Effect.mapError((error) => endOf(error, resolved?.task)),
    Effect.flatMap((code) => {
      const [last] = complaint.trim().split("\n").slice(-1)
      return Effect.fail(endedWith(last || `the process in the task's network ended with exit code ${code}`))
    })
  )
  const { route, task } = yield* Effect.raceFirst(Deferred.await(started), outcome)
  // The forwarder gives up a process that is silent for 15 seconds. The start of the process may take longer.
  const forwarder = yield* openForwarder(process)
  // The outcome says more about a process that has ended.
  const lost = yield* forwarder.lost.pipe(
    Effect.catch(({ detail }) => Effect.delay(Effect.fail(endedWith(detail)), goodbye)),
    Effect.forkScoped
  )
  const ended = Effect.raceFirst(outcome, Fiber.join(lost))
  yield* Effect.addFinalizer(() =>
    Effect.andThen(forwarder.close, session.outcome).pipe(Effect.timeoutOption(goodbye), Effect.ignore)
  )
  return { task, route, forwarder, ended }
})

/** Returns the error of a session that has ended. A command's outcome is no matter of forwarding. */
const endOf = (error: RunError, resolved: ResolvedTask | undefined): ForwardError => {
  if (resolved === undefined) return error
  const ended = (detail: string) => new ForwardingEnded({ task: resolved.name, node: resolved.node.hostname, detail })
  switch (error._tag) {
    case "ContainerStopped":
      return ended("the task has stopped")
    case "OutcomeUnknown":
    case "ConnectionLost":
      return ended(error.detail)
    default:
      return error
  }
}

/** Returns the place of a task in its service: its slot, or its node for a global service. */
const placeOf = ({ name, node, service, slot }: ResolvedTask): Target => ({
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
