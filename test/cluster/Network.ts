/** The network of a cluster's machines: one bridge in the root namespace, and one veth pair per machine. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type CommandFailed, run } from "./Command.ts"

/** All 256 subnets are in use. */
export class NoFreeSubnet extends Schema.TaggedError<NoFreeSubnet>()("NoFreeSubnet", {}) {
  override get message(): string {
    return "no free subnet in 10.213.0.0/16: take down a swarm (`npm run swarm -- down --all`)"
  }
}

/** The bridge of cluster number `index`. The kernel allows 15 characters. */
export const bridgeName = (index: number): string => `taskexec${index}`

/** The end of node `n`'s cable that is attached to the bridge. */
export const plugName = (index: number, n: number): string => `${bridgeName(index)}n${n}`

/** Address of the root namespace, and so of the registry, for the machines. */
export const gateway = (index: number): string => `10.213.${index}.1`

/** Address of node `n` (1, 2, …). */
export const addressOf = (index: number, n: number): string => `10.213.${index}.${10 + n}`

// Some versions of `ip` print empty objects for omitted links.
const Link = Schema.Struct({ ifname: Schema.optionalKey(Schema.String) })
const Route = Schema.Struct({ dst: Schema.optionalKey(Schema.String) })
const decodeLinks = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Link)))
const decodeRoutes = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Route)))

const linkNames = Effect.flatMap(run("ip", ["-json", "link"]), decodeLinks).pipe(
  Effect.map((links) => links.flatMap((link) => link.ifname ?? [])),
  Effect.catchTag("SchemaError", Effect.die)
)

/** Numbers of all bridges, and of those without attached links. */
export const bridges = Effect.map(linkNames, (names) => {
  const indexes = names.flatMap((name) => /^taskexec(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  const isIdle = (index: number) => !names.some((name) => name.startsWith(plugName(index, 0).slice(0, -1)))
  return { all: new Set(indexes), idle: indexes.filter(isIdle) }
})

/** A number whose bridge and subnet are free. The caller must hold the lock. */
export const freeIndex = Effect.fnUntraced(function* (taken: ReadonlySet<number>) {
  const routes = yield* Effect.flatMap(run("ip", ["-4", "-json", "route", "show", "table", "all"]), decodeRoutes).pipe(
    Effect.catchTag("SchemaError", Effect.die)
  )
  const { all } = yield* bridges
  for (let index = 0; index < 256; index++) {
    const routed = routes.some((route) => route.dst?.startsWith(`10.213.${index}.`))
    if (!taken.has(index) && !all.has(index) && !routed) return index
  }
  return yield* new NoFreeSubnet()
})

/** The firewall rules that a default policy of DROP requires: between machines, and from them to the registry. */
const rules = (index: number): ReadonlyArray<ReadonlyArray<string>> => {
  const bridge = bridgeName(index)
  return [
    ["FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT"],
    ["INPUT", "-i", bridge, "-j", "ACCEPT"]
  ]
}

const iptables = (action: "-I" | "-D" | "-C", rule: ReadonlyArray<string>) =>
  run("iptables", ["-w", "10", action, ...rule])

const hasRule = (rule: ReadonlyArray<string>) =>
  iptables("-C", rule).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => error.exitCode === 1,
      () => Effect.succeed(false)
    )
  )

/** Creates the bridge. */
export const createBridge = Effect.fnUntraced(function* (index: number) {
  const bridge = bridgeName(index)
  yield* run("ip", ["-batch", "-"], {
    input: `link add ${bridge} type bridge\naddr add ${gateway(index)}/24 dev ${bridge}\nlink set ${bridge} up\n`
  })
  yield* Effect.forEach(rules(index), (rule) => iptables("-I", rule), { discard: true })
})

/** Connects the bridge with the network namespace of process `pid`, as its `eth0`. */
export const plugIn = Effect.fnUntraced(function* (index: number, n: number, pid: number) {
  const plug = plugName(index, n)
  yield* run("ip", ["-batch", "-"], {
    input: [
      `link add ${plug} type veth peer name eth0 netns ${pid}`,
      `link set ${plug} master ${bridgeName(index)} up`,
      ""
    ].join("\n")
  })
  yield* run("nsenter", [`--net=/proc/${pid}/ns/net`, "ip", "-batch", "-"], {
    input: `link set lo up\naddr add ${addressOf(index, n)}/24 dev eth0\nlink set eth0 up\n`
  })
})

/** Disconnects a machine from the others, or connects it again. */
export const setPlug = (index: number, n: number, state: "up" | "down"): Effect.Effect<void, CommandFailed> =>
  Effect.asVoid(run("ip", ["link", "set", plugName(index, n), state]))

/** Removes the bridge, the links attached to it, and the firewall rules. Succeeds if there are none. */
export const removeNetwork = Effect.fnUntraced(function* (index: number) {
  const bridge = bridgeName(index)
  const names = yield* linkNames
  const ours = names.filter((name) => name === bridge || new RegExp(`^${bridge}n\\d+$`).test(name))
  // A veth is also removed with the namespace of its other end, possibly at this moment.
  yield* Effect.forEach(
    ours,
    (name) =>
      run("ip", ["link", "delete", name]).pipe(
        Effect.catchIf(
          // The message of `ip`, or of the kernel a moment later.
          (error) => /Cannot find device|No such device/.test(error.detail),
          () => Effect.succeed("")
        )
      ),
    { discard: true }
  )
  for (const rule of rules(index)) while (yield* hasRule(rule)) yield* iptables("-D", rule)
})
