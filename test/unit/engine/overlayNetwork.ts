import type { Network } from "../../../src/engine/SwarmSchemas.ts"

/** An attachable overlay network with these fields. */
export const overlayNetwork = (fields: Partial<Network>): Network => ({
  Id: "id",
  Name: "name",
  Created: "",
  Scope: "swarm",
  Driver: "overlay",
  Attachable: true,
  Internal: true,
  Ingress: false,
  IPAM: { Config: [] },
  Labels: {},
  ...fields
})
