/**
 * The way to the agent of another node, by the agent beside the caller's engine: no port is published for it. There are two.
 *
 * Who reaches that agent's files (root on the engine's own machine) connects to a socket among them, and the agent itself
 * connects to the other one: a millisecond or two. All others start a process in its container, which tells the agents' key and
 * passes bytes on, and TLS goes from the caller through to the other agent: an exec, and a Node that starts.
 */
import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { DockerEngine, type DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { mainProcessOf } from "../executor/HostView.ts"
import { relayAddress } from "../route/RelayProtocol.ts"
import { carryOverExec } from "../wire/RelayCarrier.ts"
import { readLine } from "../wire/readLine.ts"
import { TunnelLost } from "../wire/Tunnel.ts"
import { prepareHandshake, secureClient, tunnelKey } from "../wire/TunnelTls.ts"
import { agentDoor, agentSocket } from "./AgentProtocol.ts"
import type { Agent } from "./Agents.ts"

/** What errors call the agent here. */
const self = "the agent here"

/** A connection to the agent `there`, by the one that is `here`; it is destroyed with the scope. */
export const openDoor = Effect.fn("TaskExec.agentDoor")(function* (
  here: Agent,
  there: Agent
): Effect.fn.Return<Duplex, TunnelLost | EngineFailure, DockerEngine | Scope.Scope> {
  // Of several managers only the one that answered has that container.
  const engine = yield* Effect.flatMap(DockerEngine, ({ alone }) => alone)
  const socket = yield* reachSocket(engine, here.container)
  return socket === undefined ? yield* byProcess(engine, here, there) : yield* bySocket(socket, there)
})

/** `undefined` where there is none, or out of reach. */
const reachSocket = Effect.fnUntraced(function* (engine: DockerEngineShape, container: string) {
  const pid = yield* mainProcessOf(engine, container)
  if (pid === undefined) return undefined
  return yield* Effect.acquireRelease(
    Effect.callback<Socket | undefined>((resume) => {
      const socket = connect({ path: `/proc/${pid}/root${agentSocket}`, allowHalfOpen: true })
      const fail = () => resume(Effect.succeed(undefined))
      socket.once("error", fail)
      socket.once("connect", () => {
        socket.off("error", fail)
        // Somebody must listen, or an error ends the process; who reads it hears that it is closed.
        socket.on("error", () => undefined)
        resume(Effect.succeed(socket))
      })
    }),
    (socket) => Effect.sync(() => socket?.destroy())
  )
})

const bySocket = Effect.fnUntraced(function* (socket: Socket, there: Agent) {
  socket.write(relayAddress(there.address))
  const refusal = yield* readLine(socket, self)
  if (refusal !== "") return yield* new TunnelLost({ detail: refusal })
  return socket
})

const byProcess = Effect.fnUntraced(function* (engine: DockerEngineShape, here: Agent, there: Agent) {
  // The process takes a while to start.
  const prepared = Effect.andThen(Effect.yieldNow, prepareHandshake)
  const opened = carryOverExec(engine, here.container, agentDoor)
  const [carrier] = yield* Effect.all([opened, prepared], { concurrency: 2 })
  const complain = (error: TunnelLost) => new TunnelLost({ detail: carrier.complaint() || error.detail })
  return yield* carrier.begin(relayAddress(there.address)).pipe(
    Effect.andThen(readLine(carrier.duplex, self)),
    Effect.andThen((key) => secureClient(carrier.duplex, tunnelKey(key))),
    Effect.mapError(complain)
  )
})
