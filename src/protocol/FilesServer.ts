/** The helper's half of the protocol for files: serves the caller's requests with the archive API of its node's engine. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TunnelLost } from "../carrier/Channel.ts"
import type { Tunnel } from "../carrier/Tunnel.ts"
import type { ContainerFiles } from "./ContainerFiles.ts"
import {
  decodeFilesRequest,
  encodeFilesResponse,
  type FilesRefusal,
  type FilesRequest,
  type FilesResponse
} from "./FilesMessages.ts"
import type { NodeCarrier } from "./NodeCarrier.ts"
import { failedFrame } from "./Server.ts"

/**
 * Serves the caller's requests once the helper is `admitted`. Fails with `TunnelLost` when the caller disconnects, which interrupts the
 * request being served. If the helper is refused, a caller that has not connected yet reads the reason from the log.
 */
export const serveFiles = Effect.fn("Helper.copy")(function* <E, R>(
  carrier: NodeCarrier<E>,
  admitted: Effect.Effect<ContainerFiles<FilesRefusal>, FilesRefusal, R>
) {
  const files = yield* Effect.result(admitted)
  if (files._tag === "Failure") {
    yield* carrier.send(0, [failedFrame(files.failure)])
    const tunnel = carrier.current()
    if (tunnel !== undefined) yield* Effect.ignore(Stream.runDrain(tunnel.incoming))
    return
  }
  yield* serveOver(yield* carrier.tunnel, files.success)
})

const serveOver = Effect.fnUntraced(function* (tunnel: Tunnel, files: ContainerFiles<FilesRefusal>) {
  const { gone, jobs } = yield* listen(tunnel)
  const respond = (response: FilesResponse) => tunnel.send(encodeFilesResponse(response))

  const serve = Effect.fnUntraced(function* (
    files: ContainerFiles<FilesRefusal>,
    { inflow, request }: Job
  ): Effect.fn.Return<void, FilesRefusal | TunnelLost, Scope.Scope> {
    let bytes = 0
    const count = (chunk: Uint8Array) => {
      bytes += chunk.length
    }
    switch (request._tag) {
      case "StatPath":
        return yield* respond({ _tag: "Stat", stat: yield* files.statPath(request.path) })
      case "GetArchive": {
        const { content, stat } = yield* files.getArchive(request.path)
        yield* respond({ _tag: "Stat", stat })
        yield* Stream.runForEach(content, (chunk) => {
          count(chunk)
          return tunnel.write("stdout", chunk)
        })
        return yield* respond({ _tag: "Copied", bytes })
      }
      case "PutArchive": {
        const content = Stream.tap(Stream.fromQueue(inflow.queue), (chunk) => {
          count(chunk)
          inflow.open -= chunk.length
          return tunnel.consumed("stdin", chunk.length)
        })
        yield* files.putArchive(request.path, content, { copyUIDGID: request.copyUIDGID })
        return yield* respond({ _tag: "Copied", bytes })
      }
    }
  }, Effect.scoped)

  const fail = (error: FilesRefusal) => respond({ _tag: "Failed", error })
  const work = Stream.runForEach(jobs, (job) => Effect.catchIf(serve(files, job), isRefusal, fail))
  yield* Effect.andThen(work, gone).pipe(Effect.raceFirst(gone))
})

const isRefusal = (error: FilesRefusal | TunnelLost): error is FilesRefusal => error._tag !== "TunnelLost"

/** A request, and the bytes that follow it. */
interface Job {
  readonly request: FilesRequest
  readonly inflow: Inflow
}

interface Inflow {
  readonly queue: Queue.Queue<Uint8Array, Cause.Done>
  /** Bytes that have arrived and are not consumed yet. */
  open: number
}

const makeInflow = Effect.map(Queue.unbounded<Uint8Array, Cause.Done>(), (queue): Inflow => ({ queue, open: 0 }))

/** Returns the caller's requests. `gone` fails when the caller disconnects; the bytes of an unfinished archive then have no end. */
const listen = Effect.fnUntraced(function* (tunnel: Tunnel) {
  // A caller sends one request after the other. More requests wait in the tunnel, whose buffer is limited.
  const jobs = yield* Queue.bounded<Job>(4)
  let current = yield* makeInflow
  const take = Effect.fnUntraced(function* (request: FilesRequest) {
    // If the engine refused an archive, the rest of its bytes is not consumed. The caller may send this number of other bytes.
    yield* tunnel.consumed("stdin", current.open)
    current = yield* makeInflow
    yield* Queue.offer(jobs, { request, inflow: current })
  })
  const gone = yield* Stream.runForEach(tunnel.incoming, (incoming): Effect.Effect<unknown, TunnelLost> => {
    switch (incoming._tag) {
      case "Data":
        current.open += incoming.data.length
        return Queue.offer(current.queue, incoming.data)
      case "End":
        return Queue.end(current.queue)
      case "Document":
        return Result.match(decodeFilesRequest(incoming.text), {
          onSuccess: take,
          onFailure: () => Effect.fail(new TunnelLost({ detail: "the caller sent an invalid message" }))
        })
    }
  }).pipe(Effect.andThen(Effect.fail(new TunnelLost({ detail: "the caller disconnected" }))), Effect.forkScoped)
  return { gone: Fiber.join(gone), jobs: Stream.fromQueue(jobs) }
})
