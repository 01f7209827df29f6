/** The request of a caller to an agent. */
import * as Schema from "effect/Schema"
import { Who } from "../audit/WhoAmI.ts"
import { HelperRequest } from "../helper/HelperRequest.ts"

/** The request of one connection: the request to a helper and, for the agent's audit log, the caller's identity. */
export const AgentRequest = Schema.Struct({ ...HelperRequest.fields, who: Who })

/** The request of one connection. */
export type AgentRequest = typeof AgentRequest.Type
