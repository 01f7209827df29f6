/** The caller's half of the protocol for files: access to a container's files over the tunnel to a helper or an agent. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Tunnel } from "../carrier/Tunnel.ts"
import type { HelperRefused } from "../helper/HelperErrors.ts"
import { checkHello, unexpectedMessage } from "./Client.ts"
import type { ContainerFiles, FilesFailure } from "./ContainerFiles.ts"
import { CopyLost } from "./ContainerFiles.ts"
import { decodeFilesResponse, encodeFilesRequest, type FilesRequest, type FilesResponse } from "./FilesMessages.ts"

/** A helper's response, or bytes of an archive. */
type Incoming =
  | Exclude<FilesResponse, { readonly _tag: "Hello" }>
  | { readonly _tag: "Bytes"; readonly data: Uint8Array }

/** Returns access to the files of the container that the helper's or agent's request names. `node`: host name, for messages. */
export const filesOver = Effect.fn("TaskExec.filesOver")(function* (
  node: string,
  tunnel: Tunnel
): Effect.fn.Return<ContainerFiles, never, Scope.Scope> {
  const lost = ({ detail }: { readonly detail: string }) => new CopyLost({ node, detail })
  const received = yield* listen(node, tunnel, lost)

  /** Takes the next response or bytes. Fails if the helper could not serve the request. */
  const next: Effect.Effect<Exclude<Incoming, { readonly _tag: "Failed" }>, FilesFailure> = Effect.flatMap(
    Queue.take(received),
    (incoming) => (incoming._tag === "Failed" ? Effect.fail(incoming.error) : Effect.succeed(incoming))
  ).pipe(Effect.catchIf(Cause.isDone, () => Effect.fail(lost({ detail: "the helper disconnected" }))))
  const send = (request: FilesRequest) => Effect.mapError(tunnel.send(encodeFilesRequest(request)), lost)
  const checkComplete = (sent: number, arrived: number) =>
    sent === arrived ? Effect.void : Effect.fail(lost({ detail: `${arrived} of ${sent} bytes arrived` }))

  const stat = Effect.flatMap(next, (incoming) =>
    incoming._tag === "Stat" ? Effect.succeed(incoming.stat) : Effect.fail(unexpectedMessage(node, incoming))
  )

  /** The bytes of an archive, until the helper has proved that these are all. */
  const content = Stream.suspend(() => {
    let bytes = 0
    const pull = Effect.gen(function* () {
      const incoming = yield* next
      if (incoming._tag === "Copied") {
        yield* checkComplete(incoming.bytes, bytes)
        return yield* Cause.done()
      }
      if (incoming._tag !== "Bytes") return yield* unexpectedMessage(node, incoming)
      bytes += incoming.data.length
      yield* tunnel.consumed("stdout", incoming.data.length)
      return [incoming.data] as const
    })
    return Stream.fromPull(Effect.succeed(pull))
  })

  return {
    statPath: (path) => Effect.andThen(send({ _tag: "StatPath", path }), stat),
    getArchive: (path) =>
      send({ _tag: "GetArchive", path }).pipe(
        Effect.andThen(stat),
        Effect.map((stat) => ({ stat, content }))
      ),
    putArchive: Effect.fnUntraced(function* (path, archive, { copyUIDGID }) {
      yield* send({ _tag: "PutArchive", path, copyUIDGID })
      let bytes = 0
      const sendBytes = Stream.runForEach(archive, (chunk) => {
        bytes += chunk.length
        return Effect.mapError(tunnel.write("stdin", chunk), lost)
      }).pipe(Effect.andThen(Effect.mapError(tunnel.end("stdin"), lost)))
      // A helper that can't continue responds before all bytes are sent.
      const incoming = yield* Effect.raceFirst(next, Effect.andThen(sendBytes, Effect.never))
      return yield* incoming._tag === "Copied"
        ? checkComplete(bytes, incoming.bytes)
        : unexpectedMessage(node, incoming)
    })
  }
})

/** Returns a queue of the responses and bytes, in order. The queue fails when the connection breaks. */
const listen = Effect.fnUntraced(function* (
  node: string,
  tunnel: Tunnel,
  lost: (why: { readonly detail: string }) => CopyLost
) {
  const received = yield* Queue.unbounded<Incoming, CopyLost | HelperRefused | Cause.Done>()
  yield* Stream.runForEach(tunnel.incoming, (incoming): Effect.Effect<unknown, CopyLost | HelperRefused> => {
    switch (incoming._tag) {
      case "Data":
        return Queue.offer(received, { _tag: "Bytes", data: incoming.data })
      case "End":
        return Effect.void
      case "Document":
        return Result.match(decodeFilesResponse(incoming.text), {
          // Agents send their greeting over the tunnel.
          onSuccess: (response) =>
            response._tag === "Hello" ? checkHello(node, response) : Queue.offer(received, response),
          onFailure: () => Effect.fail(lost({ detail: "the helper sent an invalid message" }))
        })
    }
  }).pipe(
    Effect.catchTag("TunnelLost", (error) => Effect.fail(lost(error))),
    Queue.into(received),
    Effect.forkScoped
  )
  return received
})
