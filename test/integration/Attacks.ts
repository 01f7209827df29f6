/** Root on a worker, for tests: its engine's socket, its agent's files, memory and network. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { get, request } from "../cluster/EngineApi.ts"
import { nsenterArgs } from "../cluster/Machine.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import type { Attack } from "./Attacker.ts"

/** An agent, as root on its node and the managers see it. */
export interface KnownAgent {
  readonly node: ClusterNode
  readonly container: string
  readonly task: string
  /** Process on the node. */
  readonly pid: number
  /** Its address on the agents' network. */
  readonly host: string
  /** The public half of its key pair. */
  readonly key: string
  /** Labels of its container. */
  readonly labels: Readonly<Record<string, string>>
}

const Containers = Schema.Array(
  Schema.Struct({ Id: Schema.String, Labels: Schema.Record(Schema.String, Schema.String) })
)
const Container = Schema.Struct({
  State: Schema.Struct({ Pid: Schema.Int }),
  NetworkSettings: Schema.Struct({
    Networks: Schema.Record(Schema.String, Schema.Struct({ IPAddress: Schema.String }))
  })
})

/** The log of a container. */
export const logOf = ({ socket }: ClusterNode, container: string) =>
  Effect.map(
    request(socket, "GET", `/containers/${container}/logs`, { query: { stdout: "true", stderr: "true" } }),
    (body) => body.toString("latin1")
  )

/** The agents that run on a node. Those that only finish their commands are last. */
export const agentsOn = Effect.fnUntraced(function* (node: ClusterNode) {
  const query = { filters: JSON.stringify({ label: ["task-exec.agent"] }) }
  const found = yield* get(node.socket, "/containers/json", Containers, { query })
  return yield* Effect.forEach(found, ({ Id, Labels }) =>
    Effect.gen(function* () {
      const { NetworkSettings, State } = yield* get(node.socket, `/containers/${Id}/json`, Container)
      const [network] = Object.values(NetworkSettings.Networks)
      const key = /agent key (\S{43})/.exec(yield* logOf(node, Id))?.[1] ?? ""
      const task = Labels["com.docker.swarm.task.id"] ?? ""
      return {
        node,
        container: Id,
        task,
        pid: State.Pid,
        host: network?.IPAddress ?? "",
        key,
        labels: Labels
      } satisfies KnownAgent
    })
  )
})

/** The agent of a node that accepts callers. */
export const agentOn = (node: ClusterNode) =>
  Effect.flatMap(agentsOn(node), ([agent]) =>
    agent === undefined ? Effect.die(`no agent on ${node.name}`) : Effect.succeed(agent)
  )

/** An attack that runs until the scope closes. */
export interface Attacking {
  /** The next document of its output. */
  readonly next: Effect.Effect<unknown>
  /** Sends it a line of input. */
  readonly tell: Effect.Effect<void>
}

/** Runs an attack in the network namespace of an agent on the agent's node. */
export const attackFrom = Effect.fnUntraced(function* ({ node, pid }: KnownAgent, attack: Attack) {
  const argv = [
    ...nsenterArgs(node.pid),
    ...["nsenter", "--net", "--target", String(pid), process.execPath, "--"],
    ...[join(import.meta.dirname, "Attacker.ts"), JSON.stringify(attack)]
  ]
  const [program = "", ...args] = argv
  const printed = yield* Queue.unbounded<unknown>()
  const child: ChildProcess = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] })),
    (started) =>
      Effect.callback<void>((resume) => {
        if (started.exitCode !== null || started.signalCode !== null) return resume(Effect.void)
        started.once("exit", () => resume(Effect.void))
        // It ends with its input.
        started.stdin?.end()
      })
  )
  child.stdin?.on("error", () => undefined)
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on("line", (line) => Queue.offerUnsafe(printed, JSON.parse(line)))
  return { next: Queue.take(printed), tell: Effect.sync(() => void child.stdin?.write("\n")) } satisfies Attacking
})

/** Runs an attack that prints one document. */
export const attackOnce = (from: KnownAgent, attack: Attack) =>
  Effect.scoped(Effect.flatMap(attackFrom(from, attack), ({ next }) => next))

/** Redirects an agent's packets for another agent to a third address until the scope closes. Root on a worker cannot do that. */
export const redirected = Effect.fnUntraced(function* (
  from: KnownAgent,
  to: KnownAgent,
  instead: KnownAgent,
  port: number
) {
  const rule = [
    "OUTPUT",
    "-p",
    "tcp",
    "-d",
    to.host,
    "--dport",
    "7788",
    "-j",
    "DNAT",
    "--to",
    `${instead.host}:${port}`
  ]
  const iptables = (action: string) =>
    from.node.exec(["nsenter", "--net", "--target", String(from.pid), "iptables", "-t", "nat", action, ...rule])
  yield* Effect.acquireRelease(iptables("-I"), () => Effect.orDie(iptables("-D")))
})

const Configs = Schema.Array(
  Schema.Struct({ Spec: Schema.Struct({ Data: Schema.String, Labels: Schema.Record(Schema.String, Schema.String) }) })
)

/** The texts of the callers' key pairs, as callers get them from the managers' API. */
export const callersKeys = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  const query = { filters: JSON.stringify({ label: ["task-exec.agent.key"] }) }
  const found = yield* get(manager.socket, "/configs", Configs, { query })
  return found.map(({ Spec }) => Buffer.from(Spec.Data, "base64").toString())
})

/** Waits until a condition holds. */
export const until = <E, R>(isSo: Effect.Effect<boolean, E, R>, what: string) =>
  pollUntil(isSo, { every: 100, atMost: 120_000, orElse: Effect.die(`${what}: not within a minute`) })
