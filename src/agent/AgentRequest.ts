/** What a caller asks of an agent. */
import * as Schema from "effect/Schema"
import { Who } from "../audit/WhoAmI.ts"
import { HelperRequest } from "../helper/HelperRequest.ts"

/** The request of one connection: a helper's, and who the caller is, for the agent's log. */
export const AgentRequest = Schema.Struct({ ...HelperRequest.fields, who: Who })

/** The request of one connection. */
export type AgentRequest = typeof AgentRequest.Type
