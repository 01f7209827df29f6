/** The request to a sweeper, and its report. */
import * as Schema from "effect/Schema"
import { Findings } from "./Findings.ts"
import { Selection } from "./Verdict.ts"

/** The request to a sweeper, in its secret. */
export const NodeSweepRequest = Schema.Struct({
  /** The caller's version of the wire protocol. */
  protocol: Schema.Int,
  /** Remove nothing. */
  dryRun: Schema.Boolean,
  selection: Selection,
  /** ID of the sweepers' own run, whose containers are kept. */
  runId: Schema.NonEmptyString,
  /** IDs of task-exec's services, whose containers Swarm removes. */
  services: Schema.Array(Schema.String),
  /** Host names by node ID. */
  nodes: Schema.Record(Schema.String, Schema.String)
})

/** The request to a sweeper, in its secret. */
export type NodeSweepRequest = typeof NodeSweepRequest.Type

/** The report of a sweeper: its findings, or the reason why it failed. */
export const NodeReport = Schema.Struct({
  /** ID of the node. */
  node: Schema.String,
  result: Schema.TaggedUnion({
    Swept: { findings: Findings },
    Failed: { detail: Schema.String }
  })
})

/** The report of a sweeper: its findings, or the reason why it failed. */
export type NodeReport = typeof NodeReport.Type
