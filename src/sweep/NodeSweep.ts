/** What the sweeper on a node is asked, and what it answers. */
import * as Schema from "effect/Schema"
import { Findings } from "./Findings.ts"
import { Selection } from "./Verdict.ts"

/** What a sweeper reads from its secret. */
export const NodeSweepRequest = Schema.Struct({
  /** Version of the wire protocol that the caller understands. */
  protocol: Schema.Int,
  /** Only look. */
  dryRun: Schema.Boolean,
  selection: Selection,
  /** The sweepers' own run, whose containers are left alone. */
  runId: Schema.NonEmptyString,
  /** IDs of the services whose containers are Swarm's to remove. */
  services: Schema.Array(Schema.String),
  /** Host names by node ID. */
  nodes: Schema.Record(Schema.String, Schema.String)
})

/** What a sweeper reads from its secret. */
export type NodeSweepRequest = typeof NodeSweepRequest.Type

/** What a sweeper answers: what it found, or why it could not look. */
export const NodeReport = Schema.Struct({
  /** ID of the node. */
  node: Schema.String,
  result: Schema.TaggedUnion({
    Swept: { findings: Findings },
    Failed: { detail: Schema.String }
  })
})

/** What a sweeper answers: what it found, or why it could not look. */
export type NodeReport = typeof NodeReport.Type
