/** The files of a container on another node, by way of a helper there. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AgentLink } from "../agent/AgentLink.ts"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { Ownership } from "../Labels.ts"
import type { TaskPolicy } from "../policy/TaskPolicy.ts"
import type { Via } from "../request/Via.ts"
import type { HelperPlace } from "../route/Helper.ts"
import { HelperRefused } from "../route/HelperErrors.ts"
import type { HelperWork } from "../route/HelperRequest.ts"
import { openHelperTunnel, type TunnelError } from "../route/HelperTunnel.ts"
import { protocolVersion } from "../wire/Frame.ts"
import type { Tunnel } from "../wire/Tunnel.ts"
import type { ContainerFiles, FilesFailure } from "./ContainerFiles.ts"
import { CopyLost } from "./CopyErrors.ts"
import { type CopyOrder, type CopyReply, decodeCopyReply, encodeCopyOrder } from "./CopyProtocol.ts"

/** A helper's answer, or bytes of an archive. */
type Heard = CopyReply | { readonly _tag: "Bytes"; readonly data: Uint8Array }

/** By the node's agent, or by a helper that is made there; it is gone, with all that belongs to it, when the scope is closed. */
export const openHelperFiles = Effect.fn("TaskExec.helperFiles")(function* (
  place: HelperPlace,
  owner: Ownership,
  container: string,
  policy: TaskPolicy,
  link: AgentLink | Exclude<Via, "agent">
): Effect.fn.Return<ContainerFiles, TunnelError | FilesFailure, DockerEngine | Scope.Scope> {
  const node = place.node.hostname
  const work: HelperWork = { _tag: "Copy", container, policy }
  const tunnel = yield* typeof link === "string"
    ? Effect.map(openHelperTunnel(place, owner, work), (made) => made.tunnel)
    : link.ask(owner, work)
  const lost = ({ detail }: { readonly detail: string }) => new CopyLost({ node, detail })
  const refused = (detail: string) => new HelperRefused({ node, detail })
  const heard = yield* listen(tunnel, lost)

  /** The next thing that is heard; what the helper could not do is an error. */
  const next: Effect.Effect<Exclude<Heard, { readonly _tag: "Failed" }>, FilesFailure> = Effect.flatMap(
    Queue.take(heard),
    (said) => (said._tag === "Failed" ? Effect.fail(said.error) : Effect.succeed(said))
  ).pipe(Effect.catchIf(Cause.isDone, () => Effect.fail(lost({ detail: "the helper went away" }))))
  const unasked = ({ _tag }: Heard) => Effect.fail(refused(`it answers with ${_tag}, which was not asked`))
  const ask = (order: CopyOrder) => Effect.mapError(tunnel.send(encodeCopyOrder(order)), lost)
  const all = (there: number, here: number) =>
    there === here ? Effect.void : Effect.fail(lost({ detail: `${here} bytes arrived of ${there}` }))

  const hello = yield* next
  if (hello._tag !== "Hello") return yield* unasked(hello)
  if (hello.protocol !== protocolVersion) {
    return yield* refused(
      `it speaks protocol ${hello.protocol} (version ${hello.version}), this task-exec ${protocolVersion}`
    )
  }
  const stat = Effect.flatMap(next, (said) => (said._tag === "Stat" ? Effect.succeed(said.stat) : unasked(said)))

  /** The bytes of an archive until the proof that these are all. */
  const content = Stream.suspend(() => {
    let bytes = 0
    const pull = Effect.gen(function* () {
      const said = yield* next
      if (said._tag === "Copied") {
        yield* all(said.bytes, bytes)
        return yield* Cause.done()
      }
      if (said._tag !== "Bytes") return yield* unasked(said)
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
    putArchive: (path, archive, { copyUIDGID }) =>
      Effect.gen(function* () {
        yield* ask({ _tag: "PutArchive", path, copyUIDGID })
        let bytes = 0
        const send = Stream.runForEach(archive, (chunk) => {
          bytes += chunk.length
          return Effect.mapError(tunnel.write("stdin", chunk), lost)
        }).pipe(Effect.andThen(Effect.mapError(tunnel.end("stdin"), lost)))
        // A helper that can't go on says so before the end.
        const said = yield* Effect.raceFirst(next, Effect.andThen(send, Effect.never))
        return yield* said._tag === "Copied" ? all(bytes, said.bytes) : unasked(said)
      })
  }
})

/** What comes in, in order. Who waits for it learns of a connection that breaks. */
const listen = Effect.fnUntraced(function* (tunnel: Tunnel, lost: (why: { readonly detail: string }) => CopyLost) {
  const heard = yield* Queue.unbounded<Heard, CopyLost | Cause.Done>()
  yield* Stream.runForEach(tunnel.incoming, (incoming): Effect.Effect<unknown, CopyLost> => {
    switch (incoming._tag) {
      case "Data":
        return Queue.offer(heard, { _tag: "Bytes", data: incoming.data })
      case "End":
        return Effect.void
      case "Document":
        return Result.match(decodeCopyReply(incoming.text), {
          onSuccess: (reply) => Queue.offer(heard, reply),
          onFailure: () => Effect.fail(lost({ detail: "the helper said something that is not understood" }))
        })
    }
  }).pipe(
    Effect.catchTag("TunnelLost", (error) => Effect.fail(lost(error))),
    Effect.matchCauseEffect({
      onFailure: (cause) => Queue.failCause(heard, cause),
      onSuccess: () => Queue.end(heard)
    }),
    Effect.forkScoped
  )
  return heard
})
