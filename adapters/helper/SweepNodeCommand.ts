/** The sweeper: reads its request, sweeps the containers of its node, and writes one report to its log. */

import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { protocolVersion } from "../../src/carrier/Frame.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { helperVariables, requestPath } from "../../src/helper/HelperRequest.ts"
import { nameRemapping } from "../../src/protocol/UidMap.ts"
import { sweepContainers } from "../../src/sweep/ContainerSweep.ts"
import { type NodeReport, NodeSweepRequest } from "../../src/sweep/NodeSweep.ts"
import { reportLines } from "../../src/sweep/ReportReader.ts"
import { writeStderr, writeText } from "../Output.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(NodeSweepRequest))

/** Serves the request in the secret. Returns 0 in any case: the report holds the result. */
export const sweepNode: Effect.Effect<number> = Effect.suspend(() => {
  const node = process.env[helperVariables.node] ?? ""
  return sweep(node).pipe(
    Effect.provide(DockerEngine.layerLocal),
    Effect.mapError(nameRemapping),
    Effect.match({
      onSuccess: (findings): NodeReport["result"] => ({ _tag: "Swept", findings }),
      onFailure: (error): NodeReport["result"] => ({ _tag: "Failed", detail: error.message })
    }),
    Effect.flatMap((result) => writeText(1, reportLines(randomBytes(4).readUInt32BE(), { node, result }))),
    Effect.as(0),
    Effect.catch((error) => Effect.as(writeStderr(`sweep-node: ${error.message}\n`), 1))
  )
})

const sweep = Effect.fnUntraced(function* (node: string) {
  const request = yield* Effect.try({
    try: () => readFileSync(requestPath, "utf8"),
    catch: (error) => new Error(`its request is invalid: ${error instanceof Error ? error.message : String(error)}`)
  }).pipe(Effect.flatMap(decodeRequest))
  if (request.protocol !== protocolVersion) {
    const detail = `it uses protocol ${protocolVersion}, and the request uses protocol ${request.protocol}; use the image of the caller's version`
    return yield* Effect.fail(new Error(detail))
  }
  const { dryRun, nodes, runId, selection, services } = request
  return yield* sweepContainers({ dryRun, selection, services, node: nodes[node] ?? node, except: runId })
})
