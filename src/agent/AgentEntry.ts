/**
 * The entry to the agents' network. The agent on the connected engine's node forwards bytes between a caller and the agent of the
 * target's node. It publishes no port and holds no key.
 *
 * A caller that can open the entry agent's files (root on the engine's machine) connects to a socket among them, which takes one or
 * two milliseconds. Any other caller starts a process in the entry agent's container, which takes an exec and the start of Node.
 */
import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { carryOverExec } from "../carrier/RelayCarrier.ts"
import { readLine } from "../carrier/readLine.ts"
import { TunnelLost } from "../carrier/Tunnel.ts"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import { mainProcessOf } from "../executor/HostView.ts"
import { relayAddress } from "../helper/RelayProtocol.ts"
import { agentEntry, agentSocket } from "./AgentProtocol.ts"
import type { Agent } from "./Agents.ts"

/** The entry agent's name in errors. */
const self = "the agent on the connected engine's node"

/** A connection to an agent. */
export interface AgentEntry {
  readonly duplex: Duplex
  /** Why the connection ended, as the entry agent says; empty if it does not. */
  readonly complaint: () => string
}

/** Connects to the agent `target` through the agent `entry`. The connection is closed with the scope. */
export const openAgentEntry = Effect.fn("TaskExec.agentEntry")(function* (
  entry: Agent,
  target: Agent
): Effect.fn.Return<AgentEntry, TunnelLost | EngineFailure, Swarm | Scope.Scope> {
  // Of several managers only the one that answered has that container.
  const engine = yield* Swarm.use(({ engine }) => engine)
  const socket = yield* reachSocket(engine, entry.container)
  return socket === undefined ? yield* byProcess(engine, entry, target) : yield* bySocket(socket, target)
})

/** Connects to the entry agent's socket; `undefined` if this process can't open it. */
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
        // An error without a listener ends the process. A reader sees that the socket is closed.
        socket.on("error", () => undefined)
        resume(Effect.succeed(socket))
      })
    }),
    (socket) => Effect.sync(() => socket?.destroy())
  )
})

const bySocket = Effect.fnUntraced(function* (socket: Socket, target: Agent) {
  socket.write(relayAddress(target.address))
  const refusal = yield* readLine(socket, self)
  if (refusal !== "") return yield* new TunnelLost({ detail: refusal })
  return { duplex: socket, complaint: () => "" } satisfies AgentEntry
})

const byProcess = Effect.fnUntraced(function* (engine: DockerEngineShape, entry: Agent, target: Agent) {
  const carrier = yield* carryOverExec(engine, entry.container, agentEntry)
  yield* carrier.begin(relayAddress(target.address))
  return carrier satisfies AgentEntry
})
