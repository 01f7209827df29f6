/**
 * The entry to the agents' network: the agent on the connected engine's node, which forwards bytes between a caller and the agent on the
 * target's node. It publishes no port and holds no key of callers.
 *
 * A caller that can open the entry agent's files (root on the engine's machine) connects to a socket in its container, which takes one or
 * two milliseconds. Any other caller starts a process in the entry agent's container, which takes an exec and the start of Node.
 */
import { connect, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TunnelLost } from "../carrier/Channel.ts"
import { carryOverExec } from "../carrier/RelayCarrier.ts"
import { readLine } from "../carrier/readLine.ts"
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
  /** The entry agent's reason why the connection ended; empty if it gave none. */
  readonly complaint: () => string
}

/** Connects to the agent `target` through the agent `entry`. The connection closes with the scope. */
export const openAgentEntry = Effect.fn("TaskExec.agentEntry")(function* (
  entry: Agent,
  target: Agent
): Effect.fn.Return<AgentEntry, TunnelLost | EngineFailure, Swarm | Scope.Scope> {
  // Only the engine of the manager that responded last has the entry agent's container.
  const engine = yield* Swarm.use(({ engine }) => engine)
  const socket = yield* connectSocket(engine, entry.container)
  return socket === undefined ? yield* byProcess(engine, entry, target) : yield* bySocket(socket, target)
})

/** Connects to the entry agent's socket; `undefined` if this process can't open it. */
const connectSocket = Effect.fnUntraced(function* (engine: DockerEngineShape, container: string) {
  const pid = yield* mainProcessOf(engine, container)
  if (pid === undefined) return undefined
  return yield* Effect.acquireRelease(
    Effect.callback<Socket | undefined>((resume) => {
      const socket = connect({ path: `/proc/${pid}/root${agentSocket}`, allowHalfOpen: true })
      const fail = () => resume(Effect.succeed(undefined))
      socket.once("error", fail)
      socket.once("connect", () => {
        socket.off("error", fail)
        // An error event without a listener would end the process. Readers notice that the socket is closed.
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
