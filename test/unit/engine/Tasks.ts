/** Tasks as engines describe them. */
import type { Task } from "../../../src/engine/SwarmSchemas.ts"

/** A task on a node, of a global service. */
export const taskOn = (
  node: string,
  ID: string,
  State: string,
  why: { readonly Message?: string; readonly Err?: string } = {}
): Task => ({
  ID,
  Version: { Index: 1 },
  CreatedAt: "",
  UpdatedAt: "",
  Labels: {},
  Spec: {},
  ServiceID: "s",
  NodeID: node,
  Status: { Timestamp: "", State, Message: "", ...why },
  DesiredState: "",
  NetworksAttachments: []
})
