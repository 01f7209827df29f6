/** The helper's end of a tunnel: waits for its one caller, and passes on what the two say to each other. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TerminalSize } from "../../src/executor/ExecSpec.ts"
import type { ExecInput } from "../../src/executor/Executor.ts"
import { helperPort } from "../../src/route/RelayProtocol.ts"
import { RemoteError } from "../../src/route/Remote.ts"
import { version } from "../../src/Version.ts"
import { encodeDocument, type Frame, protocolVersion, type Signalled } from "../../src/wire/Frame.ts"
import { decodeOrder, type Order } from "../../src/wire/Order.ts"
import { type Channel, makeTunnel, type Tunnel, TunnelLost } from "../../src/wire/Tunnel.ts"
import { listenSecurely, tunnelKey } from "../../src/wire/TunnelTls.ts"
import { say } from "../Output.ts"

/** How long the caller may take to come, in milliseconds. */
const callerPatience = 60_000

/** A signal for the command, see `Order`. */
export type SignalOrder = Order & { readonly _tag: "SendSignal" }

/** What comes from the caller while the command runs. */
export interface HelperInput extends ExecInput {
  /** Done when the caller wants the command of the channel to start. */
  readonly begin: Effect.Effect<void>
  readonly signals: Stream.Stream<SignalOrder>
  /** Answers one of them. No frame of the command's: it would wait behind output that nobody takes. */
  readonly answer: (signalled: typeof Signalled.Type) => Effect.Effect<void>
}

/** What comes where nothing can. */
export const noInput: HelperInput = {
  begin: Effect.void,
  stdin: Stream.empty,
  sizes: Stream.empty,
  signals: Stream.never,
  answer: () => Effect.void
}

const encodeError = Schema.encodeSync(RemoteError)

/** Waits for the one caller. A `TunnelLost` says that none came. */
export const awaitCaller = Effect.fn("Helper.awaitCaller")(function* ({
  key
}: {
  readonly key: string
}): Effect.fn.Return<Tunnel, TunnelLost, Scope.Scope> {
  const note = (text: string) => {
    Effect.runFork(say(`helper: refused ${text}\n`))
  }
  const { client } = yield* listenSecurely(helperPort, tunnelKey(key), note)
  const socket = yield* Effect.timeoutOrElse(client, {
    duration: callerPatience,
    orElse: () => Effect.fail(new TunnelLost({ detail: `no caller came within ${callerPatience / 1000} s` }))
  })
  return yield* makeTunnel(socket)
})

/** Greets the caller, which may address every channel that is open by then. */
export const greet = (tunnel: Tunnel): Effect.Effect<void, TunnelLost> =>
  tunnel.send(encodeDocument({ _tag: "Hello", protocol: protocolVersion, version }))

/** What the helper does for a command, as frames. */
export type Serve<R> = (input: HelperInput) => Stream.Stream<Frame, RemoteError, R>

/**
 * Serves the caller's command. Done when it has been told the end; a `TunnelLost` says that it went away before: what was
 * running is ended then.
 */
export const serveTunnel = Effect.fn("Helper.tunnel")(function* <R>(
  tunnel: Tunnel,
  serve: Serve<R>
): Effect.fn.Return<void, TunnelLost, R | Scope.Scope> {
  const gone = yield* serveChannel(tunnel, serve)
  // The caller closes when it has read all of it.
  yield* Effect.ignore(gone)
})

/**
 * Serves many commands, each over the channel of its index and one, and each when it is told to begin. Done when the caller
 * closes the tunnel; what is running is ended if it goes away without.
 */
export const serveChannels = Effect.fn("Helper.channels")(function* <R>(
  tunnel: Tunnel,
  all: ReadonlyArray<Serve<R>>
): Effect.fn.Return<void, TunnelLost, R | Scope.Scope> {
  const channels = all.map((serve, index) => ({ serve, channel: tunnel.channel(index + 1) }))
  for (const { channel, serve } of channels) {
    const begun: Serve<R> = (input) => Stream.unwrap(Effect.as(input.begin, serve(input)))
    // Whether the caller leaves one command is that command's affair.
    yield* Effect.forkScoped(Effect.scoped(Effect.ignore(serveChannel(channel, begun))))
  }
  yield* greet(tunnel)
  yield* Stream.runDrain(tunnel.incoming)
})

/** Serves one command, and closes the channel. Gives what fails when the caller has gone. */
const serveChannel = Effect.fnUntraced(function* <R>(
  channel: Channel,
  serve: Serve<R>
): Effect.fn.Return<Effect.Effect<never, TunnelLost>, TunnelLost, R | Scope.Scope> {
  const say = (frame: Frame & { readonly _tag: Exclude<Frame["_tag"], "Stdout" | "Stderr"> }) =>
    channel.send(encodeDocument(frame))
  const { gone, input } = yield* listen(channel)
  const tell = (frame: Frame) => {
    if (frame._tag === "Stdout") return channel.write("stdout", frame.data)
    return frame._tag === "Stderr" ? channel.write("stderr", frame.data) : say(frame)
  }
  yield* Stream.runForEach(serve(input), tell).pipe(
    Effect.catchIf(
      (error) => error._tag !== "TunnelLost",
      (error) => say({ _tag: "Failed", error: encodeError(error) })
    ),
    Effect.raceFirst(gone)
  )
  yield* channel.close
  return gone
})

/** Sorts what comes in. `gone` fails when the caller is not there any more. */
const listen = Effect.fnUntraced(function* (channel: Channel) {
  const begin = yield* Deferred.make<void>()
  const stdin = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const sizes = yield* Queue.sliding<TerminalSize>(1)
  // What does not fit waits in the tunnel, whose room is bounded.
  const signals = yield* Queue.bounded<SignalOrder>(16)
  const obey = (text: string): Effect.Effect<unknown, TunnelLost> =>
    Result.match(decodeOrder(text), {
      onSuccess: (order) => {
        switch (order._tag) {
          case "Begin":
            return Deferred.succeed(begin, undefined)
          case "Resize":
            return Queue.offer(sizes, order.size)
          case "SendSignal":
            return Queue.offer(signals, order)
        }
      },
      onFailure: () => Effect.fail(new TunnelLost({ detail: "the caller said something that is not understood" }))
    })
  const gone = yield* Stream.runForEach(channel.incoming, (incoming): Effect.Effect<unknown, TunnelLost> => {
    switch (incoming._tag) {
      case "Data":
        return Queue.offer(stdin, incoming.data)
      case "End":
        return Queue.end(stdin)
      case "Document":
        return obey(incoming.text)
    }
  }).pipe(Effect.andThen(Effect.fail(new TunnelLost({ detail: "the caller went away" }))), Effect.forkScoped)
  const input: HelperInput = {
    begin: Deferred.await(begin),
    stdin: Stream.fromQueue(stdin).pipe(Stream.tap((chunk) => channel.taken("stdin", chunk.length))),
    sizes: Stream.fromQueue(sizes),
    signals: Stream.fromQueue(signals),
    // That the caller is not there any more is seen elsewhere.
    answer: (signalled) => Effect.ignore(channel.send(encodeDocument(signalled)))
  }
  return { input, gone: Fiber.join(gone) }
})
