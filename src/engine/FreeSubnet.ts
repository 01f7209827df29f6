/**
 * Address ranges for the overlay networks of task-exec.
 *
 * For a network without a range, an engine chooses the next free one. A node needs seconds to release the range of a removed network, but
 * engine 28.5 gives that range to the next network at once. A node that still holds the range then rejects the tasks of that network: "Pool
 * overlaps with other one on this address space". So every network of task-exec has a random range.
 *
 * The ranges are from 240.0.0.0/4 (RFC 1112, "class E"). Neither Docker (172.17.0.0/12, 192.168.0.0/16) nor Swarm (10.0.0.0/8) assigns
 * them, no private, shared or public network uses them, and there is room for 7 million networks of 30 addresses. Linux accepts such
 * addresses since 2.6.25. They exist only in the network namespaces of task-exec's own containers: an internal overlay network adds no
 * route and no address to a node, and its packets cross the nodes' network inside UDP, with the nodes' addresses.
 */
import * as Effect from "effect/Effect"
import type { EngineFailure } from "./EngineErrors.ts"
import type { SwarmShape } from "./Swarm.ts"
import type { Network } from "./SwarmSchemas.ts"

/** A range of IPv4 addresses: the first address as a number, and the number of addresses. */
interface Range {
  readonly first: number
  readonly size: number
}

/** Without 255.0.0.0/8, whose last address is the limited broadcast. */
const lowest = 240 * 2 ** 24
const highest = 255 * 2 ** 24

/**
 * The number of addresses of the smallest network. It suffices for a tunnel: the gateway, the listener and the relay, the address that
 * Swarm takes on each of their nodes, and spares.
 */
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
 * Returns a range for a network on which the given number of nodes have a container each. Swarm takes one more address on each node, a node
 * may have an old and a new container for a while, and a quarter of the addresses is spare.
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
 * Finds a range that overlaps none of the networks that the engine knows: those of the swarm, and the engine's own. If the range overlaps a
 * local network of another node, that node rejects the task.
 */
export const freeSubnet = (swarm: SwarmShape, nodes: number): Effect.Effect<string, EngineFailure> =>
  Effect.map(swarm.listNetworks({}), (networks) => drawSubnet(nodes, networks, Math.random))
