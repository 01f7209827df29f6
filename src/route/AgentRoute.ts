/** Route `agent`: the command runs by the resident agent of the task's node, over a connection that is there already. */
import type { AgentLink } from "../agent/AgentLink.ts"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import type { Ownership } from "../Labels.ts"
import { type Conversation, converse } from "./Conversation.ts"
import type { HelperPlace } from "./Helper.ts"
import { endByHelper } from "./HelperRoute.ts"
import { secondHelperPatience } from "./TunnelRoute.ts"

/**
 * When the events' scope is closed, the command has ended (or was let go of). `place` is that of the helper which ends it where
 * the agent can't.
 */
export const execByAgent = (
  link: AgentLink,
  place: HelperPlace,
  spec: ExecSpec,
  owner: Ownership,
  input: ExecInput
): Conversation<never, DockerEngine> =>
  converse({
    node: place.node.hostname,
    spec,
    input,
    open: link.ask(owner, { _tag: "Exec", spec, maxOutput: Number.MAX_SAFE_INTEGER }),
    endElsewhere: (run) => endByHelper({ ...place, placementTimeout: secondHelperPatience }, run)
  })
