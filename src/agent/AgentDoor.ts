/**
 * The way to the agent of another node, through the agent on the connected engine's node: no port is published for it. Both ways
 * pass bytes on, and hold no key.
 *
 * A caller that reaches that agent's files (root on the engine's own machine) connects to a socket among them, from which the agent
 * connects to the other one: a millisecond or two. Any other caller starts a process in the agent's container, which costs an exec
 * and the start of Node.
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
import { agentDoor, agentSocket } from "./AgentProtocol.ts"
import type { Agent } from "./Agents.ts"

/** What errors call the agent here. */
const self = "the agent here"

/** Bytes to and from an agent. */
export interface AgentDoor {
  readonly duplex: Duplex
  /** Why the way ended, where it says so; otherwise empty. */
  readonly complaint: () => string
}

/** Opens the way to the agent `there`, through the one that is `here`. It is closed with the scope. */
export const openDoor = Effect.fn("TaskExec.agentDoor")(function* (
  here: Agent,
  there: Agent
): Effect.fn.Return<AgentDoor, TunnelLost | EngineFailure, DockerEngine | Scope.Scope> {
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
  return { duplex: socket, complaint: () => "" } satisfies AgentDoor
})

const byProcess = Effect.fnUntraced(function* (engine: DockerEngineShape, here: Agent, there: Agent) {
  const carrier = yield* carryOverExec(engine, here.container, agentDoor)
  yield* carrier.begin(relayAddress(there.address))
  return carrier satisfies AgentDoor
})
