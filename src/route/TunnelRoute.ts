/**
 * Route `helper` with the transport `tunnel`: the command runs in a temporary service's container on the task's node, and
 * input, output, signals and sizes go both ways over a connection of its own.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { describeEnding, Ending, OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import type { Ownership } from "../Labels.ts"
import { decodeDocument, type Frame, isEnd, protocolVersion } from "../wire/Frame.ts"
import { encodeOrder } from "../wire/Order.ts"
import { type Tunnel, TunnelLost } from "../wire/Tunnel.ts"
import type { HelperPlace } from "./Helper.ts"
import { ConnectionLost, HelperRefused } from "./HelperErrors.ts"
import { endByHelper } from "./HelperRoute.ts"
import { openHelperTunnel, type TunnelError } from "./HelperTunnel.ts"
import { decodeRemoteError, type RemoteError } from "./Remote.ts"

/** A tunnel route that is on its way. */
export interface TunnelRun {
  readonly events: Stream.Stream<ExecEvent, TunnelRouteError, DockerEngine>
  /** Sends the command's processes a signal and, after the grace period, KILL. */
  readonly end: (run: EndRun) => Effect.Effect<Ending, never, DockerEngine>
}

/** How such a run can fail. */
export type TunnelRouteError = TunnelError | ConnectionLost | HelperRefused | RemoteError

/** How long a helper may take to answer an order, beside the grace period, in milliseconds. */
const answerPatience = 20_000
/** How long another helper may take to be placed when a connection broke, in milliseconds: the node may be gone. */
const secondHelperPatience = 8000

/** A connection, over which the command may have been started. */
interface Live {
  readonly tunnel: Tunnel
  /** Those who wait for `Signalled`, by the IDs of their orders. */
  readonly asked: Map<number, Deferred.Deferred<Ending, TunnelLost>>
  isOver: boolean
}

/** When the events' scope is closed, the command has ended (or was let go of), and everything that was made is gone. */
export const execByTunnel = (place: HelperPlace, spec: ExecSpec, owner: Ownership, input: ExecInput): TunnelRun => {
  let live: Live | undefined
  const bySecondHelper = (run: EndRun) => endByHelper({ ...place, placementTimeout: secondHelperPatience }, run)
  const end = (run: EndRun) =>
    Effect.suspend(() =>
      live === undefined || live.isOver
        ? bySecondHelper(run)
        : order(live, run).pipe(
            Effect.timeout(run.grace + answerPatience),
            Effect.catch(() => bySecondHelper(run))
          )
    )

  const events = Stream.unwrap(
    Effect.gen(function* () {
      const { tunnel } = yield* openHelperTunnel(place, owner, {
        _tag: "Exec",
        spec,
        maxOutput: Number.MAX_SAFE_INTEGER
      })
      const here: Live = { tunnel, asked: new Map(), isOver: false }
      live = here
      const queue = yield* Queue.unbounded<ExecEvent, TunnelRouteError | Cause.Done>()
      yield* dispatch(place, here, queue).pipe(
        Effect.ensuring(giveUp(here)),
        Effect.catchTag("TunnelLost", (error) => lost(place, spec, here, error.detail, bySecondHelper)),
        Effect.matchCauseEffect({
          onFailure: (cause) => Queue.failCause(queue, cause),
          onSuccess: () => Queue.end(queue)
        }),
        Effect.forkScoped
      )
      yield* Effect.addFinalizer(() => leave(here, spec, end))
      if (spec.stdin) yield* Effect.forkScoped(feed(tunnel, input.stdin))
      if (spec.tty !== undefined) {
        const resize = (size: typeof spec.tty.size) => tunnel.send(encodeOrder({ _tag: "Resize", size }))
        yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(input.sizes, resize)))
      }
      return Stream.fromQueue(queue).pipe(
        Stream.tap((event) =>
          event._tag === "Stdout" || event._tag === "Stderr"
            ? tunnel.taken(event._tag === "Stdout" ? "stdout" : "stderr", event.data.length)
            : Effect.void
        )
      )
    })
  )
  return { events, end }
}

const order = Effect.fnUntraced(function* ({ asked, tunnel }: Live, { grace, signal }: EndRun) {
  const answer = yield* Deferred.make<Ending, TunnelLost>()
  const id = asked.size
  asked.set(id, answer)
  yield* tunnel.send(encodeOrder({ _tag: "SendSignal", id, signal, grace }))
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
const feed = (tunnel: Tunnel, stdin: Stream.Stream<Uint8Array>) =>
  Stream.runForEach(stdin, (chunk) => tunnel.write("stdin", chunk)).pipe(
    Effect.andThen(tunnel.end("stdin")),
    Effect.ignore
  )

/** Whoever leaves before the end leaves a command behind. */
const leave = (here: Live, spec: ExecSpec, end: (run: EndRun) => Effect.Effect<Ending, never, DockerEngine>) =>
  Effect.gen(function* () {
    if (here.isOver) return
    const { container, grace, runId, signal } = spec
    const ending = yield* end({ runId, container, signal, grace })
    here.isOver = true
    if (ending._tag !== "Killed") yield* Effect.logWarning(describeEnding(ending))
  })

/** The helper ends its command when it hears nothing; where it was killed itself, another one does. */
const lost = Effect.fnUntraced(function* (
  { node }: HelperPlace,
  { container, grace, runId, signal }: ExecSpec,
  here: Live,
  detail: string,
  end: (run: EndRun) => Effect.Effect<Ending, never, DockerEngine>
) {
  here.isOver = true
  const ending = yield* end({ runId, container, signal, grace })
  return yield* new ConnectionLost({ node: node.hostname, detail, ending })
})

/** Takes what the helper says, until its end record. */
const dispatch = Effect.fnUntraced(function* (
  { node }: HelperPlace,
  here: Live,
  queue: Queue.Queue<ExecEvent, TunnelRouteError | Cause.Done>
) {
  const refused = (detail: string) => new HelperRefused({ node: node.hostname, detail })
  const take = (frame: Frame): Effect.Effect<void, HelperRefused | RemoteError> => {
    here.isOver ||= isEnd(frame)
    switch (frame._tag) {
      case "Hello":
        return frame.protocol === protocolVersion
          ? Effect.void
          : Effect.fail(
              refused(
                `it speaks protocol ${frame.protocol} (version ${frame.version}), this task-exec ${protocolVersion}`
              )
            )
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
        return Effect.fail(refused("it answers with Ended, which was not asked"))
      default:
        return Effect.asVoid(Queue.offer(queue, frame))
    }
  }
  yield* Stream.runForEach(here.tunnel.incoming, (incoming) => {
    if (incoming._tag === "End") return Effect.void
    if (incoming._tag === "Data") {
      return Queue.offer(queue, { _tag: incoming.stream === "stderr" ? "Stderr" : "Stdout", data: incoming.data })
    }
    return Result.match(decodeDocument(incoming.text), {
      onSuccess: take,
      onFailure: () => Effect.fail(new OutcomeUnknown({ detail: "the helper said something that is not understood" }))
    })
  })
  if (!here.isOver) return yield* new TunnelLost({ detail: "the helper went away without a report" })
})

const decodeEnding = Schema.decodeUnknownEffect(Ending)
