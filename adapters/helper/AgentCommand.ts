/** What an agent does: serves whoever knows its key, as a helper would, until it is told to end. */

import { readdirSync } from "node:fs"
import { readFile } from "node:fs/promises"
import type { TLSSocket } from "node:tls"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { agentKeyPath, agentVariable, requestChannel } from "../../src/agent/AgentProtocol.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { swarmTaskLabel } from "../../src/engine/EngineSchemas.ts"
import type { ExecSpec } from "../../src/executor/ExecSpec.ts"
import { describeEnding } from "../../src/executor/ExecutorErrors.ts"
import { endOthers } from "../../src/executor/ProcessKiller.ts"
import { HelperRequest, type HelperWork, helperVariables } from "../../src/route/HelperRequest.ts"
import { helperPort } from "../../src/route/RelayProtocol.ts"
import { version } from "../../src/Version.ts"
import { makeTunnel, type Tunnel, TunnelLost } from "../../src/wire/Tunnel.ts"
import { listenForAll, tunnelKey } from "../../src/wire/TunnelTls.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"
import { say, writeText } from "../Output.ts"
import { SignalHandlers } from "../RunMain.ts"
import { checkAddress, refuse } from "./Admission.ts"
import { listenOnSocket } from "./AgentSocket.ts"
import { serveCaller } from "./Serving.ts"

/** Callers at the same time. */
const mostCallers = 1000
/** How long a caller may take to say what it wants. */
const requestPatience = "10 seconds"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(HelperRequest))

/** Ends with 0 when it was told to end, and those who were being served have been served. */
export const agentServeCommand: Effect.Effect<number> = Effect.gen(function* () {
  const key = (yield* Effect.tryPromise(() => readFile(agentKeyPath, "utf8"))).trim()
  const own = yield* ownContainer
  const told = yield* Deferred.make<void>()
  const handlers = yield* SignalHandlers
  handlers.current = () => {
    Deferred.doneUnsafe(told, Effect.void)
    return true
  }
  const callers = yield* FiberSet.make()
  const led = yield* FiberSet.make()
  const runCaller = yield* FiberSet.runtime(callers)<DockerEngine>()
  yield* Effect.forkScoped(endOrphans(own))
  yield* Effect.gen(function* () {
    yield* listenForAll(
      { port: helperPort, key: tunnelKey(key), most: mostCallers },
      {
        client: (socket) => void runCaller(serve(socket, own)),
        refused: (why) => void Effect.runFork(say(`agent: refused ${why}\n`))
      }
    )
    yield* listenOnSocket(key, led)
    yield* writeText(1, `agent: version ${version} serves node ${process.env[helperVariables.hostname] ?? ""}\n`)
    yield* Deferred.await(told)
  }).pipe(Effect.scoped)
  // Nobody new comes in any more, by the network or the socket; callers on this node's engine may still open doors.
  yield* FiberSet.awaitEmpty(callers)
  yield* FiberSet.awaitEmpty(led)
  yield* doorsClosed
  return 0
}).pipe(
  Effect.scoped,
  Effect.provide(DockerEngine.layer),
  Effect.provide(stderrLogger(lineOf("agent", "text"), "Warn")),
  Effect.catch((error) => Effect.as(say(`agent: ${error.message}\n`), 1))
)

/** Milliseconds between two looks at the doors. */
const pause = 250

/** Done when nobody uses a door in this container: it would close with the container. */
const doorsClosed = Effect.gen(function* () {
  while (yield* Effect.sync(hasOtherProcesses)) yield* Effect.sleep(pause)
})

/** In the container there are the agent and what callers have started in it. */
const hasOtherProcesses = (): boolean =>
  readdirSync("/proc").some((name) => /^\d+$/.test(name) && Number(name) !== process.pid)

/** This agent's container, and the ID of its image. */
interface Own {
  readonly container: string
  readonly image: string
}

const ownContainer = Effect.gen(function* () {
  const task = process.env[helperVariables.task]
  const found = yield* DockerEngine.use(({ listContainers }) =>
    listContainers({ label: [`${swarmTaskLabel}=${task}`] }, { all: false })
  )
  const [own] = found
  if (own === undefined) return yield* refuse("it does not find its own container")
  return { container: own.Id, image: own.ImageID } satisfies Own
})

/** The name of an agent in the environment of the commands that it starts. */
const nameOf = (container: string): string => container.slice(0, 12)

/** An agent that was killed left its commands running: whoever comes after it ends them. */
const endOrphans = ({ container, image }: Own) =>
  Effect.gen(function* () {
    const running = yield* DockerEngine.use(({ listContainers }) =>
      listContainers({ status: ["running"] }, { all: false })
    )
    const living = running.map(({ Id }) => nameOf(Id))
    const ending = yield* endOthers(image, { variable: agentVariable, living: [...living, nameOf(container)] })
    if (ending._tag !== "Killed")
      yield* Effect.logWarning(`commands of an agent before this one: ${describeEnding(ending)}`)
  }).pipe(Effect.catch((error) => Effect.logWarning(error.message)))

/** Serves one caller. What becomes of it is told to the caller; that it went away concerns nobody here. */
const serve = (socket: TLSSocket, own: Own) =>
  Effect.gen(function* () {
    const tunnel = yield* makeTunnel(socket, [requestChannel])
    const request = yield* readRequest(tunnel)
    const work = marked(request.work, nameOf(own.container))
    yield* serveCaller(tunnel, { ...request, work }, Effect.as(checkAddress(request), own.image))
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.logDebug(error.message))
  )

const readRequest = Effect.fnUntraced(function* (tunnel: Tunnel) {
  const channel = tunnel.channel(requestChannel)
  const first = yield* Stream.runHead(channel.incoming).pipe(
    Effect.timeoutOrElse({
      duration: requestPatience,
      orElse: () => Effect.fail(new TunnelLost({ detail: `no request came within ${requestPatience}` }))
    })
  )
  yield* channel.close
  const text = Option.isSome(first) && first.value._tag === "Document" ? first.value.text : ""
  return yield* Effect.mapError(decodeRequest(text), (error) => new TunnelLost({ detail: error.message }))
})

/** The same, with this agent's name in the environment of the commands. */
const marked = (work: HelperWork, name: string): HelperWork => {
  const mark = (spec: ExecSpec): ExecSpec => ({ ...spec, env: [...spec.env, `${agentVariable}=${name}`] })
  switch (work._tag) {
    case "Exec":
      return { ...work, spec: mark(work.spec) }
    case "ExecMany": {
      const [first, ...more] = work.specs
      return { ...work, specs: [mark(first), ...more.map(mark)] }
    }
    case "End":
    case "Copy":
      return work
  }
}
