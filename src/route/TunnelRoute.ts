/**
 * Route `helper` with the transport `tunnel`: the command runs in a temporary service's container on the task's node, and
 * input, output, signals and sizes go both ways over a connection of its own.
 */
import * as Effect from "effect/Effect"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import type { Ownership } from "../Labels.ts"
import { type Conversation, type ConversationError, converse } from "./Conversation.ts"
import type { HelperPlace } from "./Helper.ts"
import { endByHelper } from "./HelperRoute.ts"
import { openHelperTunnel, type TunnelError } from "./HelperTunnel.ts"

/** How such a run can fail. */
export type TunnelRouteError = TunnelError | ConversationError

/** How long another helper may take to be placed when a connection broke, in milliseconds: the node may be gone. */
export const secondHelperPatience = 8000

/** When the events' scope is closed, the command has ended (or was let go of), and everything that was made is gone. */
export const execByTunnel = (
  place: HelperPlace,
  spec: ExecSpec,
  owner: Ownership,
  input: ExecInput
): Conversation<TunnelError, DockerEngine> =>
  converse({
    node: place.node.hostname,
    spec,
    input,
    open: Effect.map(
      openHelperTunnel(place, owner, { _tag: "Exec", spec, maxOutput: Number.MAX_SAFE_INTEGER }),
      ({ tunnel }) => tunnel
    ),
    // The helper ends its command when it hears nothing; where it was killed itself, another one does.
    endElsewhere: (run) => endByHelper({ ...place, placementTimeout: secondHelperPatience }, run)
  })
