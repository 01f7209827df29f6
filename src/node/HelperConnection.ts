/**
 * A helper, and the lines to its commands. Output comes first: the helper starts on the host network at once, and reports by its service
 * log. A tunnel, which takes about as long as the helper, is added if the caller must send something to the node or the output outgrows
 * the log. The helper then moves to the tunnel: the last frame of its log is `Moved`.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TunnelLost } from "../carrier/Channel.ts"
import { type Frame, protocolVersion } from "../carrier/Frame.ts"
import { receive } from "../carrier/ServiceLog.ts"
import type { Tunnel } from "../carrier/Tunnel.ts"
import { isNotSent, type SwarmFailure } from "../engine/EngineErrors.ts"
import { summaryOf } from "../engine/Hints.ts"
import type { Swarm } from "../engine/Swarm.ts"
import { OutcomeUnknown, outcomeUnknown } from "../executor/ExecutorErrors.ts"
import { type KillResult, killed, unconfirmed } from "../executor/KillResult.ts"
import type { RequestTooLarge } from "../helper/ConnectionErrors.ts"
import {
  checkNode,
  type Helper,
  type HelperPlacement,
  type HelperStartError,
  isHostNetworkRefused,
  openHelper
} from "../helper/Helper.ts"
import type { HelperEnd } from "../helper/HelperEnd.ts"
import {
  HelperFailed,
  HelperNotPlaced,
  type HelperRefused,
  HelperRejected,
  type NodeUnavailable
} from "../helper/HelperErrors.ts"
import type { HelperWork } from "../helper/HelperRequest.ts"
import { bridgeNetwork, hostNetwork, type Network } from "../helper/TemporaryService.ts"
import type { Ownership } from "../Labels.ts"
import { checkHello } from "../protocol/Client.ts"
import { decodeRemoteError, type RemoteError } from "../protocol/CommandMessages.ts"
import type { Line } from "../protocol/Line.ts"
import { isTunnelNeeded } from "../protocol/NodeCarrier.ts"
import { deliver, helperLine, type Inbox, makeInbox } from "./HelperLine.ts"
import type { HelperTunnel, TunnelError } from "./HelperTunnel.ts"

/** The errors of a helper. */
export type HelperError =
  | HelperStartError
  | RequestTooLarge
  | SwarmFailure
  | HelperFailed
  | HelperRefused
  | RemoteError
  | TunnelError

/** A connection to a helper. */
export interface HelperConnection {
  /** The line to a command (1, 2, …), or to the helper itself (0). */
  readonly line: (channel: number) => Line<HelperError>
  /** The tunnel to the helper. Fails if the tunnel or the helper fails. */
  readonly tunnel: Effect.Effect<Tunnel, HelperError>
  /** Whether the helper has greeted. */
  readonly hasGreeted: () => boolean
  /** Whether the helper may have begun commands: true once its service is created, false once {@link stop} has found that it never ran. */
  readonly mayHaveBegun: () => boolean
  /** Whether the helper has moved to its tunnel. */
  readonly hasMoved: () => boolean
  /**
   * Removes the helper, which then kills its commands, and waits until the helper has ended. If the helper is still being created, waits
   * for that first.
   */
  readonly stop: Effect.Effect<KillResult>
}

const isManagerError = (error: HelperError): error is SwarmFailure =>
  error._tag === "EngineUnreachable" ||
  error._tag === "EngineError" ||
  error._tag === "UnexpectedReply" ||
  error._tag === "NotSwarmManager"

const isStartError = (error: HelperError): error is HelperStartError =>
  error._tag === "HelperImageUnavailable" ||
  error._tag === "HelperRejected" ||
  error._tag === "HelperNotPlaced" ||
  error._tag === "NodeUnavailable"

/** Returns the error for a helper that failed to start, but may have run before its service was removed. */
const mayHaveRun = (error: HelperStartError, killResult: KillResult): HelperError =>
  error._tag === "HelperNotPlaced" && killResult._tag !== "Killed"
    ? new HelperNotPlaced({ ...error, mayRun: true })
    : new OutcomeUnknown({ detail: summaryOf(error) })

/** Options of {@link openHelperConnection}. */
export interface HelperConnectionOptions {
  readonly placement: HelperPlacement
  readonly owner: Ownership
  readonly work: HelperWork
  /** The tunnel that can be added to the helper. */
  readonly helperTunnel: HelperTunnel | undefined
  /** Called with the helper's version when it greets. */
  readonly onGreeting?: (version: string) => Effect.Effect<void>
}

/** Creates a helper, and removes it with everything that belongs to it when the scope closes. Its errors are those of its lines. */
export const openHelperConnection = Effect.fn("TaskExec.helperConnection")(function* ({
  helperTunnel,
  onGreeting = () => Effect.void,
  owner,
  placement,
  work
}: HelperConnectionOptions): Effect.fn.Return<HelperConnection, NodeUnavailable, Swarm | Scope.Scope> {
  yield* checkNode(placement.task, placement.node)
  const node = placement.node.hostname
  const commands = work._tag === "Exec" ? work.specs.length : 1
  const context = yield* Effect.context<Swarm>()
  const outer = yield* Effect.scope
  const inboxes = new Map<number, Inbox<HelperError>>()
  const running = yield* Deferred.make<void>()
  /** The error with which the helper failed. */
  const failed = yield* Deferred.make<never, HelperError>()
  const moved = yield* Deferred.make<void>()
  const helper = yield* Deferred.make<Helper>()
  let version: string | undefined
  let hasNeverRun = false
  let isCreated = false
  /** Whether the helper was asked to begin a command: by its request, or by a message. */
  let mayBegin = work._tag === "Exec" && work.begin.length > 0
  const killResultOf = (end: HelperEnd): KillResult => {
    hasNeverRun ||= end._tag === "NeverRan"
    return end._tag === "Unconfirmed" ? unconfirmed(end.detail) : killed
  }

  const inboxOf = (channel: number): Inbox<HelperError> => {
    const known = inboxes.get(channel)
    if (known !== undefined) return known
    const inbox = makeInbox<HelperError>()
    inboxes.set(channel, inbox)
    return inbox
  }
  for (let channel = 0; channel <= commands; channel++) inboxOf(channel)

  // If no manager can be reached, the commands may still run. If a manager refused the service, they do not.
  const afterManagerError = (error: HelperError): HelperError => {
    if (!isManagerError(error) || !mayBegin) return error
    if (version !== undefined) {
      return new OutcomeUnknown({ detail: `${summaryOf(error)}; the command was still running on node ${node}` })
    }
    const isUnclear = error._tag === "UnexpectedReply" || (error._tag === "EngineUnreachable" && !isNotSent(error))
    return Deferred.isDoneUnsafe(helper) || (isCreated && isUnclear) ? outcomeUnknown(error) : error
  }
  let hasStopped = false
  const stop = Effect.suspend(() =>
    hasStopped
      ? Effect.succeed(killed)
      : Effect.raceFirst(
          Effect.flatMap(Deferred.await(helper), ({ stop }) => Effect.map(stop, killResultOf)),
          Effect.as(Effect.ignore(Deferred.await(failed)), killed)
        )
  ).pipe(
    Effect.tap(({ _tag }) =>
      Effect.sync(() => {
        hasStopped ||= _tag === "Killed"
      })
    )
  )
  const afterTunnelError = (error: HelperError): HelperError =>
    error._tag === "HelperRejected" && mayBegin
      ? new HelperRejected({ ...error, mayRun: true })
      : afterManagerError(error)
  // Swarm may still run a helper that was late or rejected, until its service is removed. Only then is the error certain.
  const failWhenCertain = (error: HelperError): Effect.Effect<never, HelperError> =>
    mayBegin && isStartError(error)
      ? Effect.flatMap(stop, (killResult) => Effect.fail(hasNeverRun ? error : mayHaveRun(error, killResult)))
      : Effect.fail(afterManagerError(error))

  /** Created when the commands need it, or when a message must be sent over it. */
  const tunnel: Effect.Effect<Tunnel, HelperError> =
    helperTunnel === undefined
      ? Effect.fail(new TunnelLost({ detail: `the helper on node ${node} has no tunnel` }))
      : Effect.raceFirst(Effect.mapError(helperTunnel.tunnel, afterTunnelError), Deferred.await(failed))
  const needed = Deferred.makeUnsafe<void>()
  const needTunnel =
    helperTunnel === undefined
      ? Effect.void
      : Effect.andThen(
          Effect.forkIn(Effect.ignore(helperTunnel.tunnel), outer, { startImmediately: true }),
          Deferred.succeed(needed, undefined)
        )

  const handle = (channel: number, frame: Frame): Effect.Effect<void, HelperError> => {
    switch (frame._tag) {
      case "Hello":
        version = frame.version
        return Effect.andThen(onGreeting(frame.version), checkHello(node, frame))
      case "Reachable":
        return Effect.sync(() => helperTunnel?.reachable(frame.address))
      case "Unreachable":
        return Effect.sync(() => helperTunnel?.unreachable(frame.reason))
      case "Moved":
        return Effect.asVoid(Deferred.succeed(moved, undefined))
      case "Failed":
        if (channel === 0) return Effect.flatMap(decodeRemoteError(frame.error), Effect.fail)
        break
      default:
    }
    return deliver(inboxOf(channel), frame)
  }

  /** Creates a helper on this network, and handles the frames of its log until the last one. */
  const runHelper = Effect.fnUntraced(function* (network: Network, scope: Scope.Scope) {
    const request = {
      protocol: protocolVersion,
      node: placement.node.id,
      owner,
      work,
      ...(helperTunnel === undefined ? {} : { tunnel: helperTunnel.request })
    }
    const creating = Effect.sync(() => {
      isCreated = true
    })
    const made = yield* Scope.provide(openHelper({ ...placement, network, request, creating }), scope)
    Deferred.doneUnsafe(helper, Effect.succeed(made))
    /** Swarm's text about the end of the helper's task. */
    let endText = ""
    const ended = made.running.pipe(
      Effect.andThen(made.ended),
      Effect.flatMap((text) =>
        Effect.sync(() => {
          endText = text
        })
      )
    )
    const received = yield* Scope.provide(
      receive({ service: made.service, commands, running: made.running, ended }),
      scope
    )
    yield* made.running.pipe(Effect.ignore, Effect.andThen(Deferred.succeed(running, undefined)), Effect.forkIn(scope))
    const addTunnelIfNeeded = (frames: ReadonlyArray<Frame>) =>
      helperTunnel !== undefined && isTunnelNeeded(helperTunnel.request.from, frames, received.bytes())
        ? Effect.asVoid(needTunnel)
        : Effect.void
    yield* addTunnelIfNeeded([])
    yield* Stream.runForEach(received.frames, ({ channel, frame }) =>
      Effect.andThen(Deferred.isDoneUnsafe(needed) ? Effect.void : addTunnelIfNeeded([frame]), handle(channel, frame))
    )
    if (received.isComplete()) return
    // Only a helper that failed without a greeting is known to have run nothing.
    const detail = [endText, received.lastOtherLine()].filter((text) => text !== "").join("; ")
    if (version === undefined && endText.startsWith("failed")) {
      return yield* new HelperFailed({ node, image: placement.image, work: work._tag, detail })
    }
    return yield* new OutcomeUnknown({
      detail: `the helper on node ${node} disappeared without a report (${detail})`
    })
  })

  const attempt = Effect.fnUntraced(function* (network: Network) {
    // The helper lives on after its log has ended, because it may have moved to the tunnel.
    const scope = yield* Scope.fork(outer)
    yield* Effect.tapError(runHelper(network, scope), (error) =>
      isHostNetworkRefused(error) ? Scope.close(scope, Exit.void) : Effect.void
    )
  })
  yield* attempt(hostNetwork).pipe(
    // A helper that its node rejected has run nothing.
    Effect.catchIf(isHostNetworkRefused, () => attempt(bridgeNetwork)),
    Effect.catch(failWhenCertain),
    Effect.matchCauseEffect({
      onFailure: (cause) =>
        Effect.sync(() => {
          for (const { queue } of inboxes.values()) Queue.failCauseUnsafe(queue, cause)
          Deferred.doneUnsafe(failed, Exit.failCause(cause))
        }),
      onSuccess: () =>
        Effect.sync(() => {
          for (const { queue } of inboxes.values()) Queue.endUnsafe(queue)
        })
    }),
    Effect.forkIn(outer),
    Effect.provideContext(context)
  )

  const line = (channel: number): Line<HelperError> =>
    helperLine({
      channel,
      inbox: inboxOf(channel),
      tunnel,
      running: Deferred.await(running),
      hasFailed: () => Deferred.isDoneUnsafe(failed),
      hasMoved: () => Deferred.isDoneUnsafe(moved),
      // A command that needs the tunnel fails without it. Output that can't move to the tunnel stays in the log.
      tunnelNeeded: helperTunnel?.request.from === "output" ? undefined : Deferred.await(needed),
      onSend: () => {
        mayBegin ||= work._tag === "Exec"
      }
    })

  return {
    line,
    tunnel,
    hasGreeted: () => version !== undefined,
    mayHaveBegun: () => Deferred.isDoneUnsafe(helper) && !hasNeverRun,
    hasMoved: () => Deferred.isDoneUnsafe(moved),
    stop
  }
})
