/** The records of commands, read from the node's disk, so that no container, engine or network is needed. */
import { readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { ClusterNode, SwarmClusterShape } from "../cluster/SwarmCluster.ts"

/** Name of the volume, one on each node, that the targets have mounted. */
export const recordVolume = "chaos"

/** The path of a file in that volume of a node, as this process sees it. */
export const recordFile = ({ dir }: SwarmClusterShape, node: ClusterNode, name: string): string =>
  join(dir, node.name, "docker", "volumes", recordVolume, "_data", name)

/** Reads and removes a record. Returns its lines, or none if there is no record. */
export const readRecord = (cluster: SwarmClusterShape, node: ClusterNode, name: string) =>
  Effect.promise(async () => {
    const file = recordFile(cluster, node, name)
    const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return ""
      throw error
    })
    await rm(file, { force: true })
    return text.split("\n").filter((line) => line !== "")
  })
