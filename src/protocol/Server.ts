/** The executor's half of the protocol for commands: runs the commands of a request, and handles the caller's messages. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Channel, TunnelLost } from "../carrier/Channel.ts"
import { encodeDocument, type Frame, type Signalled } from "../carrier/Frame.ts"
import type { ExecInput } from "../executor/ExecEvent.ts"
import type { TerminalSize } from "../executor/ExecSpec.ts"
import { OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { type CallerMessage, decodeCallerMessage, RemoteError } from "./CommandMessages.ts"
import type { NodeCarrier } from "./NodeCarrier.ts"

/** A message with a signal for the command, see `CallerMessage`. */
export type SignalMessage = CallerMessage & { readonly _tag: "SendSignal" }

/** The caller's input and messages while a command runs. */
export interface CallerInput extends ExecInput {
  readonly signals: Stream.Stream<SignalMessage>
  /** Responds to a signal. The response does not wait behind output that the caller has not read. */
  readonly respond: (signalled: typeof Signalled.Type) => Effect.Effect<void>
}

/** A command of a request. */
export interface ServedCommand<R> {
  /** Whether the command begins at once; otherwise it waits for the caller's `Begin`. */
  readonly begins: boolean
  /** All of its input, if the request holds it. */
  readonly input: Uint8Array | undefined
  /** Runs the command and reports on it in frames. */
  readonly run: (input: CallerInput) => Stream.Stream<Frame, RemoteError, R>
}

const encodeError = Schema.encodeSync(RemoteError)

/** Encodes an error as the end record of a command. */
export const failedFrame = (error: RemoteError): Frame => ({ _tag: "Failed", error: encodeError(error) })

/**
 * Serves the commands. The command with index 0 has channel 1. Completes when the end record of each command is sent and the caller has
 * closed the tunnel, if there is one. Kills a command if the caller leaves it or disconnects.
 */
export const serveCommands = Effect.fn("TaskExec.serve")(function* <E extends { readonly _tag: string }, R>(
  carrier: NodeCarrier<E>,
  commands: ReadonlyArray<ServedCommand<R>>
): Effect.fn.Return<void, E | TunnelLost, R | Scope.Scope> {
  const served = commands.map((command, index) => ({ command, channel: index + 1 }))
  yield* Effect.forEach(served, ({ channel, command }) => serveCommand(carrier, channel, command), {
    concurrency: "unbounded",
    discard: true
  })
  const tunnel = carrier.current()
  // The caller closes the tunnel when it has read all frames.
  if (tunnel !== undefined) yield* Effect.ignore(Stream.runDrain(tunnel.incoming))
})

/** The caller's messages on a channel of the tunnel. */
interface ChannelInput extends CallerInput {
  readonly begin: Effect.Effect<void>
  /** Fails when the caller leaves the command or disconnects. */
  readonly gone: Effect.Effect<never, TunnelLost>
  readonly close: Effect.Effect<void>
}

const serveCommand = Effect.fnUntraced(function* <E extends { readonly _tag: string }, R>(
  carrier: NodeCarrier<E>,
  channel: number,
  { begins, input, run }: ServedCommand<R>
): Effect.fn.Return<void, E, R | Scope.Scope> {
  const connected = yield* Deferred.make<ChannelInput, TunnelLost>()
  yield* carrier.tunnel.pipe(
    Effect.flatMap((tunnel) => listen(tunnel.channel(channel))),
    Deferred.into(connected),
    Effect.forkScoped
  )
  const fromTunnel = Deferred.await(connected)
  /** Reads from the tunnel once it is open. Stays open and empty if the tunnel cannot be opened: the command then has no input. */
  const later = <A>(of: (input: ChannelInput) => Stream.Stream<A>): Stream.Stream<A> =>
    Stream.unwrap(Effect.catch(Effect.map(fromTunnel, of), () => Effect.never))
  const fromCaller: CallerInput = {
    stdin: input === undefined ? later(({ stdin }) => stdin) : Stream.make(input),
    sizes: later(({ sizes }) => sizes),
    signals: later(({ signals }) => signals),
    respond: (signalled) => Effect.ignore(Effect.flatMap(fromTunnel, ({ respond }) => respond(signalled)))
  }
  const send = (frames: ReadonlyArray<Frame>) => carrier.send(channel, frames)
  const begun = begins ? Effect.void : Effect.flatMap(fromTunnel, ({ begin }) => begin)
  const gone = Effect.flatMap(fromTunnel, ({ gone }) => gone)
  let isReported = false
  yield* Effect.andThen(begun, Stream.runForEachArray(run(fromCaller), send)).pipe(
    Effect.catchIf(isRemote, (error) => send([failedFrame(error)])),
    Effect.tap(() =>
      Effect.sync(() => {
        isReported = true
      })
    ),
    Effect.raceFirst(gone),
    // A caller that can't connect still reads the log.
    Effect.catchIf(isLost, ({ detail }) =>
      isReported ? Effect.void : Effect.catchIf(send([failedFrame(unreachable(detail))]), isLost, () => Effect.void)
    )
  )
  const open = Deferred.isDoneUnsafe(connected) ? yield* Effect.option(fromTunnel) : undefined
  if (open?._tag === "Some") yield* open.value.close
})

const isRemote = Schema.is(RemoteError)

const isLost = (error: { readonly _tag: string }): error is TunnelLost => error._tag === "TunnelLost"

const unreachable = (detail: string) =>
  new OutcomeUnknown({ detail: `the caller cannot reach its helper (${detail}), so the command was killed` })

/** Sorts the messages on a channel by kind. */
const listen = Effect.fnUntraced(function* (channel: Channel): Effect.fn.Return<ChannelInput, never, Scope.Scope> {
  const begin = yield* Deferred.make<void>()
  const stdin = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const sizes = yield* Queue.sliding<TerminalSize>(1)
  // More signals wait in the tunnel, whose buffer is limited.
  const signals = yield* Queue.bounded<SignalMessage>(16)
  const handle = (text: string): Effect.Effect<unknown, TunnelLost> =>
    Result.match(decodeCallerMessage(text), {
      onSuccess: (message) => {
        switch (message._tag) {
          case "Begin":
            return Deferred.succeed(begin, undefined)
          case "Resize":
            return Queue.offer(sizes, message.size)
          case "SendSignal":
            return Queue.offer(signals, message)
        }
      },
      onFailure: () => Effect.fail(new TunnelLost({ detail: "the caller sent an invalid message" }))
    })
  const gone = yield* Stream.runForEach(channel.incoming, (incoming): Effect.Effect<unknown, TunnelLost> => {
    switch (incoming._tag) {
      case "Data":
        return Queue.offer(stdin, incoming.data)
      case "End":
        return Queue.end(stdin)
      case "Document":
        return handle(incoming.text)
    }
  }).pipe(Effect.andThen(Effect.fail(new TunnelLost({ detail: "the caller disconnected" }))), Effect.forkScoped)
  return {
    begin: Deferred.await(begin),
    stdin: Stream.fromQueue(stdin).pipe(Stream.tap((chunk) => channel.consumed("stdin", chunk.length))),
    sizes: Stream.fromQueue(sizes),
    signals: Stream.fromQueue(signals),
    // Ignores errors: `gone` reports that the caller has disconnected.
    respond: (signalled) => Effect.ignore(channel.send(encodeDocument(signalled))),
    gone: Fiber.join(gone),
    close: channel.close
  }
})
