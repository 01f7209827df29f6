import * as Schema from "effect/Schema"
import { allowLabel, denyDefaultLabel } from "./Policy.ts"

/** Characters of a label that a message shows. */
const shownText = 200

/** A policy does not let it be done. Nothing was run, and nothing was copied. */
export class PolicyDenied extends Schema.TaggedError<PolicyDenied>()("PolicyDenied", {
  /** Full ID of the container. */
  container: Schema.String,
  /** Name of the service, where the container is a task's. */
  service: Schema.optionalKey(Schema.String),
  /** Name of the task. */
  task: Schema.optionalKey(Schema.String),
  /** Host name of the task's node. */
  node: Schema.optionalKey(Schema.String),
  /** The command's first word; absent where files were to be copied. */
  program: Schema.optionalKey(Schema.String),
  /**
   * Where the policy stands: in the label `task-exec.allow` of the service or of the container; or there is no such label, and
   * the caller (`TASK_EXEC_DENY_DEFAULT`) or the node (its label `task-exec.deny-default`) wants one.
   */
  stands: Schema.Literals(["ServiceLabel", "ContainerLabel", "CallerDefault", "NodeDefault"]),
  /** The label's value, where there is one. Where a default refuses, it is the label of the container's image, which grants nothing. */
  policy: Schema.optionalKey(Schema.String),
  /** Why the value can't be read, where it can't. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const { container, node, program, task } = this
    const place = task === undefined ? `container ${container.slice(0, 12)}` : `${task} on node ${node ?? ""}`
    const what = program === undefined ? "files may not be copied" : `${quoted(program)} may not be run`
    const nothing = program === undefined ? "copied" : "run"
    return `${what} in ${place}: ${this.reason}; nothing was ${nothing}. ${this.nextStep}`
  }

  private get reason(): string {
    const { node, policy, problem, service, stands } = this
    if (stands === "CallerDefault" || stands === "NodeDefault") {
      const missing =
        policy === undefined
          ? `there is no label ${allowLabel}`
          : `the label ${allowLabel} is the image's (${quoted(policy)}), which can't allow anything`
      const whose =
        stands === "CallerDefault" ? "TASK_EXEC_DENY_DEFAULT" : `the label ${denyDefaultLabel} of node ${node ?? ""}`
      return `${missing}, and ${whose} asks for one`
    }
    const whose = stands === "ServiceLabel" && service !== undefined ? `of service ${service}` : "of the container"
    const unreadable = problem === undefined ? "" : `, which can't be read (${problem})`
    return `the label ${allowLabel} ${whose} is ${quoted(policy ?? "")}${unreadable}`
  }

  private get nextStep(): string {
    if (this.service === undefined) return `To allow it, create the container with the label ${allowLabel}.`
    // A service's label changes at once; a container's is there from its start, perhaps from its image.
    return this.stands === "ContainerLabel"
      ? `To change it, and start new tasks: docker service update --container-label-add ${allowLabel}=… ${this.service}`
      : `To change it: docker service update --label-add ${allowLabel}=… ${this.service}`
  }
}

/** On one line, whatever is in it. */
const quoted = (text: string): string => JSON.stringify(text.length > shownText ? `${text.slice(0, shownText)}…` : text)
