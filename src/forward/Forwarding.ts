/** Forwarded ports as callers see them: the request, the events, the connections, and the errors. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { RunError } from "../Run.ts"
import type { ExecRequest } from "../request/ExecRequest.ts"
import type { Route } from "../request/Via.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import type { CannotListen, ConnectionReset, ForwardingEnded, PortUnreachable } from "./ForwardErrors.ts"

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
   * When the task ends, wait for its replacement and continue; default `false`. Listeners stay open, and new connections wait. `wait` bounds the
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
