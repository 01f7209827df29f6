/** What an engine does with commands in its containers. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EngineFailure, EngineUnreachable } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { type EngineAsking, ofEngine, segment } from "./internal/Asking.ts"
import { twoWay } from "./internal/twoWay.ts"

/**
 * How the bytes of an output are laid out: `raw` as the program wrote them (with a TTY), or `multiplexed`, in records of
 * 8 bytes header (stream 1 or 2, 3 for the engine's own errors; length as big-endian 32 bits at offset 4) and data.
 */
export type Framing = "raw" | "multiplexed"

/** An open, two-way connection to a running exec. It is closed with the Scope in which it was opened. */
export interface ExecConnection {
  /** Of `output`. Follows from `tty`: engines before API 1.42 do not say. */
  readonly framing: Framing
  /**
   * Everything that the command writes. Without a pull the engine waits. Ends when the engine closes its side. Run it once.
   */
  readonly output: Stream.Stream<Uint8Array, EngineUnreachable>
  /** Done as soon as `output` has something to give, its end included. Takes nothing of it. */
  readonly arrival: Effect.Effect<void>
  /** Write to the command's stdin; done when the bytes are on their way to the engine. One write at a time. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, EngineUnreachable>
  /** End the command's stdin. Its output goes on. */
  readonly endInput: Effect.Effect<void, EngineUnreachable>
}

/** The methods of `DockerEngine` about execs. */
export interface ExecRequests {
  /** Gives the exec's ID. */
  readonly createExec: (containerId: string, exec: Api.ExecCreate) => Effect.Effect<string, EngineFailure>
  /** Start it and stay connected. `tty` must be what `createExec` was told. */
  readonly startExec: (
    id: string,
    options: { readonly tty: boolean }
  ) => Effect.Effect<ExecConnection, EngineFailure, Scope.Scope>
  /** Start it and let it run by itself. */
  readonly startExecDetached: (id: string, options: { readonly tty: boolean }) => Effect.Effect<void, EngineFailure>
  readonly inspectExec: (id: string) => Effect.Effect<Api.ExecInspect, EngineFailure>
  readonly resizeExec: (
    id: string,
    size: { readonly w: number; readonly h: number }
  ) => Effect.Effect<void, EngineFailure>
}

/** The requests about execs. */
export const execRequests = ({ client, engine }: EngineAsking): ExecRequests => {
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
