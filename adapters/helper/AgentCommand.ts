/** The agent: serves callers that have the deployment's key, until it is stopped. */

import { readdirSync } from "node:fs"
import type { TLSSocket } from "node:tls"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { deriveKey, type KeyScope, makeKeyPair } from "../../src/agent/AgentKeys.ts"
import { agentLabels, requestChannel } from "../../src/agent/AgentProtocol.ts"
import { AgentRequest } from "../../src/agent/AgentRequest.ts"
import { TunnelLost } from "../../src/carrier/Channel.ts"
import { encodeDocument, protocolVersion } from "../../src/carrier/Frame.ts"
import { makeTunnel, type Tunnel } from "../../src/carrier/Tunnel.ts"
import { listenForAll } from "../../src/carrier/TunnelTls.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { swarmTaskLabel } from "../../src/engine/EngineSchemas.ts"
import { helperVariables } from "../../src/helper/HelperRequest.ts"
import { helperPort } from "../../src/helper/RelayProtocol.ts"
import { checkAddress, refuse, wasSignaled } from "../../src/protocol/Admission.ts"
import { byTunnel } from "../../src/protocol/NodeCarrier.ts"
import { serveRequest } from "../../src/protocol/ServeRequest.ts"
import { version } from "../../src/Version.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"
import { writeStderr } from "../Output.ts"
import { SignalHandlers } from "../RunMain.ts"
import { listenOnSocket } from "./AgentSocket.ts"
import { endOrphans } from "./Orphans.ts"
import { makeRequestLog, type RequestLog } from "./RequestLog.ts"
import { watched } from "./Watch.ts"

/** The most callers at the same time. */
const mostCallers = 1000
/** The time in which a caller must send its request. */
const requestTimeout = "10 seconds"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(AgentRequest))

/** Runs the agent. Returns 0 after it was stopped and has served its callers. */
export const agentServeCommand: Effect.Effect<number> = Effect.gen(function* () {
  const own = yield* ownContainer
  // The private half of the key stays in the memory of this process.
  const pair = makeKeyPair()
  const key = yield* Effect.fromResult(deriveKey(pair, "agent", own.callersKey, own))
  const log = makeRequestLog(pair.publicKey)
  const stopping = yield* Deferred.make<void>()
  const handlers = yield* SignalHandlers
  handlers.current = () => {
    Deferred.doneUnsafe(stopping, Effect.void)
    return true
  }
  if (yield* wasSignaled) Deferred.doneUnsafe(stopping, Effect.void)
  const callers = yield* FiberSet.make()
  const entryCallers = yield* FiberSet.make()
  const runCaller = yield* FiberSet.runtime(callers)<DockerEngine>()
  yield* endOrphans(own.image).pipe(
    Effect.catch((error) => Effect.logWarning(error.message)),
    Effect.forkScoped
  )
  yield* Effect.gen(function* () {
    yield* listenForAll(
      { port: helperPort, key, most: mostCallers },
      {
        client: (socket) => void runCaller(serve(socket, own, log, Deferred.await(stopping))),
        refused: (why) => void Effect.runFork(log.refused(why))
      }
    )
    yield* listenOnSocket(entryCallers)
    yield* log.announce
    yield* log.line(`version ${version} serves node ${process.env[helperVariables.hostname] ?? ""}`)
    yield* Deferred.await(stopping)
  }).pipe(Effect.scoped)
  // The agent accepts no new callers. Callers of this node's engine may still start entries in this container.
  yield* log.retire
  yield* FiberSet.awaitEmpty(callers)
  yield* FiberSet.awaitEmpty(entryCallers)
  yield* entriesClosed
  return 0
}).pipe(
  Effect.scoped,
  Effect.provide(DockerEngine.layerLocal),
  Effect.provide(stderrLogger(lineOf("agent", "text"), "Warn")),
  Effect.catch((error) => Effect.as(writeStderr(`agent: ${error.message}\n`), 1))
)

/** Milliseconds between two checks for entries. */
const pause = 250

/** Completes when no entry runs in this container: it would end with the container. */
const entriesClosed = Effect.gen(function* () {
  while (yield* Effect.sync(hasOtherProcesses)) yield* Effect.sleep(pause)
})

/** Whether the container has processes besides the agent: callers start entries in it. */
const hasOtherProcesses = (): boolean =>
  readdirSync("/proc").some((name) => /^\d+$/.test(name) && Number(name) !== process.pid)

/** The agent's own identity, from the service's specification, which only managers can write. */
interface Own extends KeyScope {
  /** The ID of the agent's image. */
  readonly image: string
  /** The public half of the callers' key pair. */
  readonly callersKey: string
}

const ownContainer = Effect.gen(function* () {
  const task = process.env[helperVariables.task] ?? ""
  const found = yield* DockerEngine.use(({ listContainers }) =>
    listContainers({ label: [`${swarmTaskLabel}=${task}`] }, { all: false })
  )
  const [own] = found
  if (own === undefined) return yield* refuse("it cannot find its own container")
  return {
    node: process.env[helperVariables.node] ?? "",
    task,
    deployment: own.Labels[agentLabels.network] ?? "",
    callersKey: own.Labels[agentLabels.key] ?? "",
    image: own.ImageID
  } satisfies Own
})

/**
 * Serves one caller. Logs the request and its result. When the agent is stopped, it closes connections without a request: their key
 * may not be valid any longer.
 */
const serve = (socket: TLSSocket, own: Own, log: RequestLog, stopping: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const tunnel = yield* makeTunnel(socket, { channels: [requestChannel] })
    const ended = Effect.andThen(stopping, Effect.fail(new TunnelLost({ detail: "this agent accepts no new callers" })))
    const request = yield* Effect.raceFirst(ended, readRequest(tunnel))
    // The caller may use the channels as soon as it has the greeting.
    if (request.work._tag === "Exec") for (const index of request.work.specs.keys()) tunnel.channel(index + 1)
    yield* tunnel.send(encodeDocument({ _tag: "Hello", protocol: protocolVersion, version }))
    yield* serveRequest(byTunnel(tunnel), request, Effect.as(checkAddress(request), own.image), watched(log, request))
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.logDebug(error.message))
  )

const readRequest = Effect.fnUntraced(function* (tunnel: Tunnel) {
  const channel = tunnel.channel(requestChannel)
  const first = yield* Stream.runHead(channel.incoming).pipe(
    Effect.timeoutOrElse({
      duration: requestTimeout,
      orElse: () => Effect.fail(new TunnelLost({ detail: `no request within ${requestTimeout}` }))
    })
  )
  yield* channel.close
  const text = Option.isSome(first) && first.value._tag === "Document" ? first.value.text : ""
  return yield* Effect.mapError(decodeRequest(text), (error) => new TunnelLost({ detail: error.message }))
})
