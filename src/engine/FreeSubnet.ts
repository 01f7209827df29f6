/**
 * Address ranges for the overlay networks of task-exec.
 *
 * An engine chooses the next free range for a network that names none, and a node needs seconds to let go of the range of a removed
 * network. Engine 28.5 gives a freed range to the next network at once, and a node that still holds it rejects the tasks of that
 * network: "Pool overlaps with other one on this address space". So every network of task-exec has a random range.
 *
 * The ranges are from 240.0.0.0/4 (RFC 1112, "class E"): neither Docker (172.17.0.0/12, 192.168.0.0/16) nor Swarm (10.0.0.0/8) hands it
 * out, no private, shared or public network uses it, and it has room for 7 million networks of 30 addresses. The kernel has taken such
 * addresses since Linux 2.6.25. They exist only in the network namespaces of our own containers: an overlay network that is internal
 * adds no route and no address to a node, and its packets cross the nodes' network inside UDP, with the nodes' addresses.
 */
import * as Effect from "effect/Effect"
import type { EngineFailure } from "./EngineErrors.ts"
import type { Network } from "./EngineSchemas.ts"
import type { SwarmShape } from "./Swarm.ts"

/** A range of IPv4 addresses: the first address as a number, and the number of addresses. */
interface Range {
  readonly first: number
  readonly size: number
}

/** Without 255.0.0.0/8, whose last address is the limited broadcast. */
const lowest = 240 * 2 ** 24
const highest = 255 * 2 ** 24

/** Networks as small as this hold a tunnel: the gateway, a helper and a relay, the address that Swarm takes on either's node, and spares. */
const smallest = 32

/** The most random ranges to try. The last one is used even if it overlaps. */
const draws = 100

/** Parses `10.0.1.0/24`; `undefined` for other texts, such as IPv6 ranges. */
export const parseSubnet = (subnet: string): Range | undefined => {
  const [, address = "", bits = ""] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(subnet) ?? []
  if (address === "") return undefined
  const size = 2 ** (32 - Number(bits))
  const number = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0)
  return { first: number - (number % size), size }
}

const formatSubnet = ({ first, size }: Range): string =>
  `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join(".")}/${32 - Math.log2(size)}`

const overlap = (a: Range, b: Range): boolean => a.first < b.first + b.size && b.first < a.first + a.size

/** Whether a network has addresses from the range of task-exec's networks. */
export const hasTunnelRange = ({ IPAM }: Network): boolean =>
  IPAM.Config.some(({ Subnet }) => {
    const range = parseSubnet(Subnet)
    return range !== undefined && overlap(range, { first: lowest, size: highest - lowest })
  })

/**
 * Returns a range for a network on which the given number of nodes have a container each. Swarm takes an address on each node besides, a node may have
 * an old and a new container for a while, and as much again is spare.
 */
export const drawSubnet = (nodes: number, networks: ReadonlyArray<Network>, random: () => number): string => {
  const size = Math.max(smallest, 2 ** Math.ceil(Math.log2(4 * nodes + 16)))
  const taken = networks.flatMap(({ IPAM }) => IPAM.Config.flatMap(({ Subnet }) => parseSubnet(Subnet) ?? []))
  const draw = (): Range => ({ first: lowest + size * Math.floor((random() * (highest - lowest)) / size), size })
  let range = draw()
  for (let drawn = 1; drawn < draws && taken.some((other) => overlap(other, range)); drawn++) range = draw()
  return formatSubnet(range)
}

/**
 * Finds a range that overlaps no network that the engine knows: those of the swarm, and its own. It does not know the local networks of
 * other nodes; such a node then rejects the task.
 */
export const freeSubnet = (swarm: SwarmShape, nodes: number): Effect.Effect<string, EngineFailure> =>
  Effect.map(swarm.listNetworks({}), (networks) => drawSubnet(nodes, networks, Math.random))
