/** The requests about commands in containers. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EngineFailure, EngineUnreachable } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { type EngineRequestContext, ofEngine, segment } from "./internal/RequestContext.ts"
import { twoWay } from "./internal/twoWay.ts"
import type * as Bodies from "./RequestBodies.ts"

/**
 * The format of an output: `raw` bytes (with a TTY), or `multiplexed` records, see `Demux`.
 */
export type Framing = "raw" | "multiplexed"

/** A two-way connection to a running exec. It closes with the scope in which it was opened. */
export interface ExecConnection {
  /** The format of `output`. It follows from `tty`: engines before API 1.42 do not report it. */
  readonly framing: Framing
  /**
   * The command's output, with backpressure. Ends when the engine closes its side. Run it once.
   */
  readonly output: Stream.Stream<Uint8Array, EngineUnreachable>
  /** Completes when `output` has data or has ended. Consumes nothing. */
  readonly arrival: Effect.Effect<void>
  /** Writes to the command's stdin. Completes when the bytes are sent. One write at a time. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, EngineUnreachable>
  /** Ends the command's stdin. Its output continues. */
  readonly endInput: Effect.Effect<void, EngineUnreachable>
}

/** The methods of `DockerEngine` about execs. */
export interface ExecRequests {
  /** Creates an exec. Returns its ID. */
  readonly createExec: (containerId: string, exec: Bodies.ExecCreate) => Effect.Effect<string, EngineFailure>
  /** Starts an exec and stays connected. `tty` must equal the `Tty` of `createExec`. */
  readonly startExec: (
    id: string,
    options: { readonly tty: boolean }
  ) => Effect.Effect<ExecConnection, EngineFailure, Scope.Scope>
  /** Starts an exec without a connection. */
  readonly startExecDetached: (id: string, options: { readonly tty: boolean }) => Effect.Effect<void, EngineFailure>
  readonly inspectExec: (id: string) => Effect.Effect<Api.ExecInspect, EngineFailure>
  readonly resizeExec: (
    id: string,
    size: { readonly w: number; readonly h: number }
  ) => Effect.Effect<void, EngineFailure>
}

/** Returns the requests about execs by this client. */
export const execRequests = ({ client, engine }: EngineRequestContext): ExecRequests => {
  const execCreated = client.json(Api.ExecCreated)
  const execInspect = client.json(Api.ExecInspect)

  return {
    createExec: (containerId, exec) =>
      execCreated({
        ...engine,
        operation: `create an exec in container ${containerId}`,
        method: "POST",
        path: `/containers/${segment(containerId)}/exec`,
        body: exec
      }).pipe(
        Effect.map(({ Id }) => Id),
        ofEngine
      ),
    startExec: (id, { tty }) => {
      const operation = `start exec ${id}`
      return client
        .hijack({
          ...engine,
          operation,
          method: "POST",
          path: `/exec/${segment(id)}/start`,
          body: { Detach: false, Tty: tty }
        })
        .pipe(
          Effect.flatMap((socket) => twoWay(socket, client.broken(`stay connected to exec ${id}`))),
          Effect.map((connection): ExecConnection => ({ framing: tty ? "raw" : "multiplexed", ...connection })),
          ofEngine
        )
    },
    startExecDetached: (id, { tty }) =>
      client
        .request({
          ...engine,
          operation: `start exec ${id}`,
          method: "POST",
          path: `/exec/${segment(id)}/start`,
          body: { Detach: true, Tty: tty }
        })
        .pipe(Effect.asVoid, ofEngine),
    inspectExec: (id) =>
      execInspect({
        ...engine,
        operation: `inspect exec ${id}`,
        method: "GET",
        path: `/exec/${segment(id)}/json`
      }).pipe(ofEngine),
    resizeExec: (id, { w, h }) =>
      client
        .request({
          ...engine,
          operation: `resize the terminal of exec ${id}`,
          method: "POST",
          path: `/exec/${segment(id)}/resize`,
          query: { h, w }
        })
        .pipe(Effect.asVoid, ofEngine)
  }
}
