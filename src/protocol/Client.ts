/** The caller's half of the protocol, for one command: its input, sizes and signals go to the node, its events come back. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Frame, isEnd, protocolVersion } from "../carrier/Frame.ts"
import { TunnelLost } from "../carrier/Tunnel.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { describeEnding, Ending } from "../executor/ExecutorErrors.ts"
import { joinPieces } from "../executor/joinPieces.ts"
import { ConnectionLost, HelperRefused } from "../helper/HelperErrors.ts"
import { startWith } from "../helper/HelperStages.ts"
import type { Line } from "./Line.ts"
import { encodeOrder } from "./Order.ts"
import { decodeRemoteError, type RemoteError } from "./RemoteError.ts"

/** How the conversation about a command can fail. */
export type ConversationError = ConnectionLost | HelperRefused | RemoteError

/** A command that is on its way over a tunnel. */
export interface Conversation<E, R> {
  /** When their scope is closed, the command has ended, or was let go of. */
  readonly events: Stream.Stream<ExecEvent, E | ConversationError, R>
  /** Sends the command's processes a signal and, after the grace period, KILL. */
  readonly end: (run: EndRun) => Effect.Effect<Ending, never, R>
}

/** What a conversation is about. */
export interface ConversationOptions<E, R> {
  /** Host name of the node, for messages. */
  readonly node: string
  readonly spec: ExecSpec
  readonly input: ExecInput
  /** Opens the line to this command, which has begun then or begins by itself. */
  readonly open: Effect.Effect<Line<E | TunnelLost>, E, R | Scope.Scope>
  /** Ends the run by other means than the line: it is not open yet, or was lost. */
  readonly endElsewhere: (run: EndRun) => Effect.Effect<Ending, never, R>
}

/** How long a helper may take to answer an order, beside the grace period, in milliseconds. */
const answerPatience = 20_000

/** A line to a command that may have been started. */
interface Live {
  readonly line: Line<unknown>
  /** Those who wait for `Signalled`, by the IDs of their orders. */
  readonly asked: Map<number, Deferred.Deferred<Ending, TunnelLost>>
  isOver: boolean
}

/** Talks about one command; the channel is opened when the events are taken. */
export const converse = <E, R>({
  endElsewhere,
  input,
  node,
  open,
  spec
}: ConversationOptions<E, R>): Conversation<E, R> => {
  let live: Live | undefined
  const end = (run: EndRun) =>
    Effect.suspend(() =>
      live === undefined || live.isOver || !live.line.isOpen()
        ? endElsewhere(run)
        : order(live, run).pipe(
            Effect.timeoutOrElse({
              duration: run.grace + answerPatience,
              orElse: () => Effect.fail(new TunnelLost({ detail: "the helper does not answer" }))
            }),
            Effect.catch(() => endElsewhere(run))
          )
    )

  const events = Stream.unwrap(
    Effect.gen(function* () {
      const line = yield* open
      const started = yield* startWith(line.running)
      const here: Live = { line, asked: new Map(), isOver: false }
      live = here
      const queue = yield* Queue.unbounded<ExecEvent, E | ConversationError | Cause.Done>()
      yield* dispatch(node, line, here, queue).pipe(
        Effect.ensuring(giveUp(here)),
        Effect.catchIf(isLost, ({ detail }) => lost(node, spec, here, detail, endElsewhere)),
        Effect.matchCauseEffect({
          onFailure: (cause) => Queue.failCause(queue, cause),
          onSuccess: () => Queue.end(queue)
        }),
        Effect.forkScoped
      )
      yield* Effect.addFinalizer(() => Effect.andThen(leave(here, spec, end), line.close))
      if (spec.stdin) yield* Effect.forkScoped(feed(line, input.stdin))
      if (spec.tty !== undefined) {
        const resize = (size: typeof spec.tty.size) => line.send(encodeOrder({ _tag: "Resize", size }))
        yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(input.sizes, resize)))
      }
      return Stream.fromQueue(queue).pipe(
        Stream.mapArray(joinPieces),
        Stream.tap((event) => {
          if (event._tag === "Started" || event._tag === "Detached") started()
          return event._tag === "Stdout" || event._tag === "Stderr"
            ? line.taken(event._tag === "Stdout" ? "stdout" : "stderr", event.data.length)
            : Effect.void
        })
      )
    })
  )
  return { events, end }
}

const isLost = (error: unknown): error is TunnelLost => error instanceof TunnelLost

const order = Effect.fnUntraced(function* ({ asked, line }: Live, { grace, signal }: EndRun) {
  const answer = yield* Deferred.make<Ending, TunnelLost>()
  const id = asked.size
  asked.set(id, answer)
  yield* line.send(encodeOrder({ _tag: "SendSignal", id, signal, grace }))
  return yield* Deferred.await(answer)
})

/** Nobody answers any more. */
const giveUp = ({ asked }: Live) =>
  Effect.forEach(
    asked.values(),
    (answer) => Deferred.fail(answer, new TunnelLost({ detail: "the helper went away without an answer" })),
    { discard: true }
  )

/** Input that the helper can't take any more is not an error: the command has ended, or what is wrong shows elsewhere. */
const feed = (line: Line<unknown>, stdin: Stream.Stream<Uint8Array>) =>
  Stream.runForEach(stdin, (chunk) => line.write("stdin", chunk)).pipe(Effect.andThen(line.end("stdin")), Effect.ignore)

/** Whoever leaves before the end leaves a command behind. */
const leave = <R>(here: Live, spec: ExecSpec, end: (run: EndRun) => Effect.Effect<Ending, never, R>) =>
  Effect.gen(function* () {
    if (here.isOver) return
    const { container, grace, runId, signal } = spec
    const ending = yield* end({ runId, container, signal, grace })
    here.isOver = true
    if (ending._tag !== "Killed") yield* Effect.logWarning(describeEnding(ending))
  })

/** The helper ends its command when it hears nothing; where it was killed itself, another one does. */
const lost = Effect.fnUntraced(function* <R>(
  node: string,
  { container, grace, runId, signal }: ExecSpec,
  here: Live,
  detail: string,
  end: (run: EndRun) => Effect.Effect<Ending, never, R>
): Effect.fn.Return<never, ConnectionLost, R> {
  here.isOver = true
  const ending = yield* end({ runId, container, signal, grace })
  return yield* new ConnectionLost({ node, detail, ending })
})

/** Takes what the node says, until its end record. */
const dispatch = Effect.fnUntraced(function* <E>(
  node: string,
  line: Line<E | TunnelLost>,
  here: Live,
  queue: Queue.Queue<ExecEvent, E | ConversationError | Cause.Done>
) {
  const take = (frame: Frame): Effect.Effect<void, HelperRefused | RemoteError> => {
    here.isOver ||= isEnd(frame)
    switch (frame._tag) {
      case "Hello":
        return checkHello(node, frame)
      case "Signalled":
        return decodeEnding(frame.ending).pipe(
          Effect.orElseSucceed((): Ending => ({ _tag: "Unconfirmed", detail: "the helper's report is not readable" })),
          Effect.flatMap((ending) => {
            const asked = here.asked.get(frame.id)
            return asked === undefined ? Effect.void : Deferred.succeed(asked, ending)
          })
        )
      case "Failed":
        return Effect.flatMap(decodeRemoteError(frame.error), Effect.fail)
      case "Ended":
      case "Reachable":
      case "Unreachable":
      case "Moved":
        return Effect.fail(unasked(node, frame))
      default:
        return Effect.asVoid(Queue.offer(queue, frame))
    }
  }
  yield* Stream.runForEach(line.incoming, take)
  if (!here.isOver) return yield* new TunnelLost({ detail: "the helper went away without a report" })
})

const decodeEnding = Schema.decodeUnknownEffect(Ending)

/** The error for a message that the caller did not ask for. `node`: host name. */
export const unasked = (node: string, { _tag }: { readonly _tag: string }): HelperRefused =>
  new HelperRefused({ node, detail: `it answers with ${_tag}, which was not asked` })

/** Fails if the helper or agent speaks another version of the protocol than the caller. */
export const checkHello = (
  node: string,
  { protocol, version }: Frame & { readonly _tag: "Hello" }
): Effect.Effect<void, HelperRefused> => {
  if (protocol === protocolVersion) return Effect.void
  const detail = `it speaks protocol ${protocol} (version ${version}), this task-exec ${protocolVersion}`
  return Effect.fail(new HelperRefused({ node, detail }))
}
