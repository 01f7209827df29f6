/** The errors of the deployment of agents. */
import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"
import { agentService } from "./AgentProtocol.ts"

/**
 * On some nodes, no agent of the current service runs and listens.
 *
 * @category errors
 * @since 0.1.0
 */
export class AgentsNotRunning extends Schema.TaggedError<AgentsNotRunning>()("AgentsNotRunning", {
  /** Milliseconds until the wait was given up. */
  after: Schema.Finite,
  nodes: Schema.Array(Schema.Struct({ node: Schema.String, state: Schema.String, reason: Schema.String }))
}) {
  /** What failed, and why. */
  get summary(): string {
    const nodes = this.nodes.map(({ node, reason, state }) => `${node} (${reason === "" ? state : reason})`)
    return `cannot start agents on ${nodes.join(", ")}: not ready after ${Math.round(this.after / 1000)} s`
  }

  /** The next step. */
  get hint(): string {
    return 'Run "task-exec doctor" to check these nodes.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * Agents still serve commands, so their network cannot be removed yet. The agents end with these commands.
 *
 * @category errors
 * @since 0.1.0
 */
export class AgentsBusy extends Schema.TaggedError<AgentsBusy>()("AgentsBusy", {
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot remove the agents' network: agents still serve commands (${this.detail})`
  }

  /** The next step. */
  get hint(): string {
    return 'They accept no new callers and end with these commands: then run "task-exec agent down" again.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * Agents that were replaced may still accept callers with the old key.
 *
 * @category errors
 * @since 0.2.0
 */
export class OldKeyInUse extends Schema.TaggedError<OldKeyInUse>()("OldKeyInUse", {
  /** Host names of the replaced agents' nodes. */
  nodes: Schema.Array(Schema.String)
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot confirm that agents refuse the old key on ${this.nodes.join(", ")}: the replaced agent has not reported that it accepts no new callers`
  }

  /** The next step. */
  get hint(): string {
    return `Check "docker service logs ${agentService}", or remove the container of that agent.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}
