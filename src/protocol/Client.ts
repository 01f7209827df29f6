/** The caller's half of the protocol for one command: sends input, terminal sizes and signals to the node, and receives events. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TunnelLost } from "../carrier/Channel.ts"
import { type Frame, isEnd, protocolVersion } from "../carrier/Frame.ts"
import type { ExecEvent, ExecInput } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import { joinPieces } from "../executor/joinPieces.ts"
import { describeKillResult, KillResult, killed } from "../executor/KillResult.ts"
import { ConnectionLost } from "../helper/ConnectionErrors.ts"
import { HelperRefused } from "../helper/HelperErrors.ts"
import { startWith } from "../helper/HelperStages.ts"
import { tapSome } from "../internal/tapSome.ts"
import { decodeRemoteError, encodeCallerMessage, type RemoteError } from "./CommandMessages.ts"
import type { Line } from "./Line.ts"

/** The errors of a command on another node. */
export type CommandClientError = ConnectionLost | HelperRefused | RemoteError

/** The caller's half of the protocol for one command. */
export interface CommandClient<E, R> {
  /** The events of the command. When the scope of the stream has closed, the command has ended or is detached. */
  readonly events: Stream.Stream<ExecEvent, E | CommandClientError, R>
  /** Sends the command's processes a signal and, after the grace period, KILL. */
  readonly end: (run: EndRun) => Effect.Effect<KillResult, never, R>
}

/** The command, and how to reach it. */
export interface CommandClientOptions<E, R> {
  /** Host name of the node, for messages. */
  readonly node: string
  readonly spec: ExecSpec
  readonly input: ExecInput
  /** Opens the line to the command. Sends `Begin` if the request does not begin the command. */
  readonly open: Effect.Effect<Line<E | TunnelLost>, E, R | Scope.Scope>
  /** Kills the command without the line, which is not open yet or is lost. */
  readonly endElsewhere: (run: EndRun) => Effect.Effect<KillResult, never, R>
}

/** Milliseconds that a helper may take to respond to a signal, in addition to the grace period. */
const responseTimeout = 20_000

/** An open line to a command. */
interface OpenLine {
  readonly line: Line<unknown>
  /** The signals that wait for a `Signalled` response, by their ID. */
  readonly pendingSignals: Map<number, Deferred.Deferred<KillResult, TunnelLost>>
  /** Whether the end record has arrived, or the connection is lost. */
  isOver: boolean
}

/** Makes the client of one command. Opens the line when the events are run. */
export const makeCommandClient = <E, R>({
  endElsewhere,
  input,
  node,
  open,
  spec
}: CommandClientOptions<E, R>): CommandClient<E, R> => {
  let openLine: OpenLine | undefined
  const end = (run: EndRun): Effect.Effect<KillResult, never, R> =>
    // The node stops an action when its line closes.
    Effect.suspend(() => (spec.action !== undefined ? Effect.succeed(killed) : endCommand(run)))
  const endCommand = (run: EndRun) =>
    Effect.suspend(() =>
      openLine === undefined || openLine.isOver || !openLine.line.isOpen()
        ? endElsewhere(run)
        : sendSignal(openLine, run).pipe(
            Effect.timeoutOrElse({
              duration: run.grace + responseTimeout,
              orElse: () => Effect.fail(new TunnelLost({ detail: "the helper does not respond" }))
            }),
            Effect.catch(() => endElsewhere(run))
          )
    )

  const events = Stream.unwrap(
    Effect.gen(function* () {
      const line = yield* open
      const started = yield* startWith(line.running)
      const current: OpenLine = { line, pendingSignals: new Map(), isOver: false }
      openLine = current
      const queue = yield* Queue.unbounded<ExecEvent, E | CommandClientError | Cause.Done>()
      yield* dispatch(node, line, current, queue).pipe(
        Effect.ensuring(failPendingSignals(current)),
        Effect.catchIf(isLost, ({ detail }) =>
          endAfterLoss(node, spec, current, detail, spec.action === undefined ? endElsewhere : end)
        ),
        Queue.into(queue),
        Effect.forkScoped
      )
      yield* Effect.addFinalizer(() => Effect.andThen(endUnlessOver(current, spec, end), line.close))
      if (spec.stdin) yield* Effect.forkScoped(feed(line, input.stdin))
      if (spec.tty !== undefined) {
        const resize = (size: typeof spec.tty.size) => line.send(encodeCallerMessage({ _tag: "Resize", size }))
        yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(input.sizes, resize)))
      }
      return Stream.fromQueue(queue).pipe(
        Stream.mapArray(joinPieces),
        tapSome((event) => {
          if (event._tag === "Started" || event._tag === "Detached") started()
          return event._tag === "Stdout" || event._tag === "Stderr"
            ? line.consumed(event._tag === "Stdout" ? "stdout" : "stderr", event.data.length)
            : undefined
        })
      )
    })
  )
  return { events, end }
}

const isLost = (error: unknown): error is TunnelLost => error instanceof TunnelLost

const sendSignal = Effect.fnUntraced(function* ({ line, pendingSignals }: OpenLine, { grace, signal }: EndRun) {
  const response = yield* Deferred.make<KillResult, TunnelLost>()
  const id = pendingSignals.size
  pendingSignals.set(id, response)
  yield* line.send(encodeCallerMessage({ _tag: "SendSignal", id, signal, grace }))
  return yield* Deferred.await(response)
})

/** Fails the signals that wait for a response. */
const failPendingSignals = ({ pendingSignals }: OpenLine) =>
  Effect.forEach(
    pendingSignals.values(),
    (response) => Deferred.fail(response, new TunnelLost({ detail: "the helper disconnected without a response" })),
    { discard: true }
  )

/** Sends the input. Ignores errors, because then the command has ended or its events report the failure. */
const feed = (line: Line<unknown>, stdin: Stream.Stream<Uint8Array>) =>
  Stream.runForEach(stdin, (chunk) => line.write("stdin", chunk)).pipe(Effect.andThen(line.end("stdin")), Effect.ignore)

/** Kills the command if the caller leaves before the command has ended. */
const endUnlessOver = Effect.fnUntraced(function* <R>(
  current: OpenLine,
  spec: ExecSpec,
  end: (run: EndRun) => Effect.Effect<KillResult, never, R>
) {
  if (current.isOver) return
  const { container, grace, runId, signal } = spec
  const killResult = yield* end({ runId, container, signal, grace })
  current.isOver = true
  if (killResult._tag !== "Killed") yield* Effect.logWarning(describeKillResult(killResult))
})

/** Kills the command through another helper after the connection is lost, because the first helper may have been killed. */
const endAfterLoss = Effect.fnUntraced(function* <R>(
  node: string,
  { container, grace, runId, signal }: ExecSpec,
  current: OpenLine,
  detail: string,
  end: (run: EndRun) => Effect.Effect<KillResult, never, R>
): Effect.fn.Return<never, ConnectionLost, R> {
  current.isOver = true
  const killResult = yield* end({ runId, container, signal, grace })
  return yield* new ConnectionLost({ node, detail, killResult })
})

const isOutput = (frame: Frame): frame is Frame & { readonly _tag: "Stdout" | "Stderr" } =>
  frame._tag === "Stdout" || frame._tag === "Stderr"

/** Handles the frames from the node until the end record. */
const dispatch = Effect.fnUntraced(function* <E>(
  node: string,
  line: Line<E | TunnelLost>,
  current: OpenLine,
  queue: Queue.Queue<ExecEvent, E | CommandClientError | Cause.Done>
) {
  const handle = (frame: Frame): Effect.Effect<void, HelperRefused | RemoteError> => {
    current.isOver ||= isEnd(frame)
    switch (frame._tag) {
      case "Hello":
        return checkHello(node, frame)
      case "Signalled":
        return decodeKillResult(frame.killResult).pipe(
          Effect.orElseSucceed((): KillResult => ({ _tag: "Unconfirmed", detail: "the helper's report is invalid" })),
          Effect.flatMap((killResult) => {
            const response = current.pendingSignals.get(frame.id)
            return response === undefined ? Effect.void : Deferred.succeed(response, killResult)
          })
        )
      case "Failed":
        return Effect.flatMap(decodeRemoteError(frame.error), Effect.fail)
      case "Ended":
      case "Reachable":
      case "Unreachable":
      case "Moved":
        return Effect.fail(unexpectedMessage(node, frame))
      default:
        return Effect.asVoid(Queue.offer(queue, frame))
    }
  }
  const handleAll = (frames: ReadonlyArray<Frame>): Effect.Effect<void, HelperRefused | RemoteError> => {
    for (const [at, frame] of frames.entries()) {
      // Output takes no step of its own.
      if (isOutput(frame)) Queue.offerUnsafe(queue, frame)
      else
        return Effect.andThen(
          handle(frame),
          Effect.suspend(() => handleAll(frames.slice(at + 1)))
        )
    }
    return Effect.void
  }
  yield* Stream.runForEachArray(line.incoming, handleAll)
  if (!current.isOver) return yield* new TunnelLost({ detail: "the helper disconnected without a report" })
})

const decodeKillResult = Schema.decodeUnknownEffect(KillResult)

/** Returns the error for a message that the caller does not expect. `node`: host name. */
export const unexpectedMessage = (node: string, { _tag }: { readonly _tag: string }): HelperRefused =>
  new HelperRefused({ node, detail: `it sent an unexpected message of type ${_tag}` })

/** Fails if the helper or agent uses another version of the protocol than the caller. */
export const checkHello = (
  node: string,
  { protocol, version }: Frame & { readonly _tag: "Hello" }
): Effect.Effect<void, HelperRefused> => {
  if (protocol === protocolVersion) return Effect.void
  const detail = `version ${version} uses protocol ${protocol}, and this task-exec uses protocol ${protocolVersion}; use the image of this version`
  return Effect.fail(new HelperRefused({ node, detail }))
}
