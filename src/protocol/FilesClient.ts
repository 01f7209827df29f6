/** The files of a container on another node, over the tunnel to a helper or an agent there. */
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
type Heard = Exclude<FilesResponse, { readonly _tag: "Hello" }> | { readonly _tag: "Bytes"; readonly data: Uint8Array }

/** Returns the files to which a helper or agent gives access over its tunnel. `node`: host name, for messages. */
export const filesOver = Effect.fn("TaskExec.filesOver")(function* (
  node: string,
  tunnel: Tunnel
): Effect.fn.Return<ContainerFiles, never, Scope.Scope> {
  const lost = ({ detail }: { readonly detail: string }) => new CopyLost({ node, detail })
  const heard = yield* listen(node, tunnel, lost)

  /** Takes the next response or bytes. Fails if the helper could not serve the request. */
  const next: Effect.Effect<Exclude<Heard, { readonly _tag: "Failed" }>, FilesFailure> = Effect.flatMap(
    Queue.take(heard),
    (said) => (said._tag === "Failed" ? Effect.fail(said.error) : Effect.succeed(said))
  ).pipe(Effect.catchIf(Cause.isDone, () => Effect.fail(lost({ detail: "the helper disconnected" }))))
  const ask = (order: FilesRequest) => Effect.mapError(tunnel.send(encodeFilesRequest(order)), lost)
  const all = (sent: number, received: number) =>
    sent === received ? Effect.void : Effect.fail(lost({ detail: `${received} of ${sent} bytes arrived` }))

  const stat = Effect.flatMap(next, (said) =>
    said._tag === "Stat" ? Effect.succeed(said.stat) : Effect.fail(unexpectedMessage(node, said))
  )

  /** The bytes of an archive, until the helper has proved that these are all. */
  const content = Stream.suspend(() => {
    let bytes = 0
    const pull = Effect.gen(function* () {
      const said = yield* next
      if (said._tag === "Copied") {
        yield* all(said.bytes, bytes)
        return yield* Cause.done()
      }
      if (said._tag !== "Bytes") return yield* unexpectedMessage(node, said)
      bytes += said.data.length
      yield* tunnel.taken("stdout", said.data.length)
      return [said.data] as const
    })
    return Stream.fromPull(Effect.succeed(pull))
  })

  return {
    statPath: (path) => Effect.andThen(ask({ _tag: "StatPath", path }), stat),
    getArchive: (path) =>
      ask({ _tag: "GetArchive", path }).pipe(
        Effect.andThen(stat),
        Effect.map((stat) => ({ stat, content }))
      ),
    putArchive: Effect.fnUntraced(function* (path, archive, { copyUIDGID }) {
      yield* ask({ _tag: "PutArchive", path, copyUIDGID })
      let bytes = 0
      const send = Stream.runForEach(archive, (chunk) => {
        bytes += chunk.length
        return Effect.mapError(tunnel.write("stdin", chunk), lost)
      }).pipe(Effect.andThen(Effect.mapError(tunnel.end("stdin"), lost)))
      // A helper that can't continue reports that before all bytes are sent.
      const said = yield* Effect.raceFirst(next, Effect.andThen(send, Effect.never))
      return yield* said._tag === "Copied" ? all(bytes, said.bytes) : unexpectedMessage(node, said)
    })
  }
})

/** Queues the responses and bytes, in order. The queue fails when the connection breaks. */
const listen = Effect.fnUntraced(function* (
  node: string,
  tunnel: Tunnel,
  lost: (why: { readonly detail: string }) => CopyLost
) {
  const heard = yield* Queue.unbounded<Heard, CopyLost | HelperRefused | Cause.Done>()
  yield* Stream.runForEach(tunnel.incoming, (incoming): Effect.Effect<unknown, CopyLost | HelperRefused> => {
    switch (incoming._tag) {
      case "Data":
        return Queue.offer(heard, { _tag: "Bytes", data: incoming.data })
      case "End":
        return Effect.void
      case "Document":
        return Result.match(decodeFilesResponse(incoming.text), {
          // Agents greet over the tunnel.
          onSuccess: (reply) => (reply._tag === "Hello" ? checkHello(node, reply) : Queue.offer(heard, reply)),
          onFailure: () => Effect.fail(lost({ detail: "the helper sent an invalid message" }))
        })
    }
  }).pipe(
    Effect.catchTag("TunnelLost", (error) => Effect.fail(lost(error))),
    Queue.into(heard),
    Effect.forkScoped
  )
  return heard
})
