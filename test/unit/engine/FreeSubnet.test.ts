import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { drawSubnet, parseSubnet } from "../../../src/engine/FreeSubnet.ts"
import { makeDice } from "../../chaos/Dice.ts"
import { overlayNetwork } from "./overlayNetwork.ts"

const network = (...subnets: ReadonlyArray<string>) =>
  overlayNetwork({ IPAM: { Config: subnets.map((Subnet) => ({ Subnet })) } })

const rangeOf = (subnet: string) => {
  const range = parseSubnet(subnet)
  assert(range !== undefined, subnet)
  return { ...range, last: range.first + range.size - 1 }
}

const Nodes = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5000 }))

describe("FreeSubnet", () => {
  it.prop(
    "a range is in 240.0.0.0/4, aligned, and has room for two containers and Swarm's own address per node",
    { nodes: Nodes, seed: Schema.String },
    ({ nodes, seed }) => {
      const { first, last, size } = rangeOf(drawSubnet(nodes, [], makeDice(seed).next))
      assert.isAtLeast(first, 240 * 2 ** 24)
      assert.isBelow(last, 255 * 2 ** 24)
      assert.strictEqual(first % size, 0)
      // The addresses of the network, the gateway and the broadcast.
      assert.isAtLeast(size - 3, 3 * nodes)
    }
  )

  it.prop(
    "consecutive ranges overlap neither each other nor other networks",
    { seed: Schema.String, size: Schema.Literals([1, 50, 4000]) },
    ({ seed, size }) => {
      const { next } = makeDice(seed)
      const taken = ["10.0.0.0/8", "240.0.0.0/5", "fd00::/64"]
      for (let at = 0; at < 20; at++) taken.push(drawSubnet(size, [network(...taken)], next))
      const ranges = taken.flatMap((subnet) => parseSubnet(subnet) ?? []).toSorted((a, b) => a.first - b.first)
      for (const [at, { first }] of ranges.entries()) {
        const before = ranges[at - 1]
        if (before !== undefined) assert.isAtLeast(first, before.first + before.size)
      }
    }
  )

  it("returns an overlapping range if it finds no other one; a node rejects that", () => {
    assert.match(drawSubnet(1, [network("240.0.0.0/4")], Math.random), /^2[45]\d\.\d+\.\d+\.\d+\/27$/)
  })

  it("parses only address ranges", () => {
    assert.deepStrictEqual(parseSubnet("10.1.2.3/24"), { first: 10 * 2 ** 24 + 2 ** 16 + 2 * 256, size: 256 })
    assert.deepStrictEqual(
      ["", "10.0.0.0", "fd00::/64"].map((text) => parseSubnet(text)),
      [undefined, undefined, undefined]
    )
  })
})
