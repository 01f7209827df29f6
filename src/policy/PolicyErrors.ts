/** The errors of actions that a policy or task-exec itself forbids. Nothing has been done in the container. */
import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"
import { allowLabel, denyDefaultLabel } from "./Policy.ts"

/** The most characters of a label that a message shows. */
const shownText = 200

/**
 * A policy forbids the command or the copy. Nothing was run, and nothing was copied.
 *
 * @category errors
 * @since 0.1.0
 */
export class PolicyDenied extends Schema.TaggedError<PolicyDenied>()("PolicyDenied", {
  /** Full ID of the container. */
  container: Schema.String,
  /** Name of the service, if the container belongs to a task. */
  service: Schema.optionalKey(Schema.String),
  /** Name of the task. */
  task: Schema.optionalKey(Schema.String),
  /** Host name of the task's node. */
  node: Schema.optionalKey(Schema.String),
  /** The command's first word, or `port-forward` with the ports; absent for a copy. */
  program: Schema.optionalKey(Schema.String),
  /**
   * The origin of the policy: the label `task-exec.allow` of the service or of the container or, without such a label, the default of the
   * caller (`TASK_EXEC_DENY_DEFAULT`) or of the node (its label `task-exec.deny-default`).
   */
  stands: Schema.Literals(["ServiceLabel", "ContainerLabel", "CallerDefault", "NodeDefault"]),
  /** The label's value, if the label exists. With a default, this is the label of the container's image, which can't allow anything. */
  policy: Schema.optionalKey(Schema.String),
  /** Why the value is invalid, if it is. */
  problem: Schema.optionalKey(Schema.String)
}) {
  /** What failed, and why. */
  get summary(): string {
    const { container, node, program, task } = this
    const where = task === undefined ? `container ${container.slice(0, 12)}` : `${task} on node ${node ?? ""}`
    const what = program === undefined ? "copy files" : `run ${quoted(program)}`
    return `cannot ${what} in ${where}: ${this.reason}`
  }

  /** The next step. */
  get hint(): string {
    if (this.service === undefined) return `To allow it, create the container with the label ${allowLabel}.`
    // A service's label can change at any time. A container keeps the labels that it was created with.
    return this.stands === "ContainerLabel"
      ? `To change it with new tasks: docker service update --container-label-add ${allowLabel}=… ${this.service}`
      : `To ${this.stands === "ServiceLabel" ? "change" : "allow"} it: docker service update --label-add ${allowLabel}=… ${this.service}`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }

  private get reason(): string {
    const { node, policy, problem, service, stands } = this
    if (stands === "CallerDefault" || stands === "NodeDefault") {
      const missing =
        policy === undefined
          ? `the label ${allowLabel} is missing`
          : `the label ${allowLabel} comes from the image (${quoted(policy)}), which can't allow anything`
      const whose =
        stands === "CallerDefault" ? "TASK_EXEC_DENY_DEFAULT" : `the label ${denyDefaultLabel} of node ${node ?? ""}`
      return `${missing}, and ${whose} requires one`
    }
    const whose = stands === "ServiceLabel" && service !== undefined ? `of service ${service}` : "of the container"
    const unreadable = problem === undefined ? "" : `, which is invalid (${problem})`
    return `the label ${allowLabel} ${whose} is ${quoted(policy ?? "")}${unreadable}`
  }
}

/** Quotes a text on one line, and shortens it to {@link shownText} characters. */
const quoted = (text: string): string => JSON.stringify(text.length > shownText ? `${text.slice(0, shownText)}…` : text)

/**
 * The target is a container of task-exec itself. Agents and helpers hold the engine's socket and requests, to which only users of the
 * Docker API may have access. No command ran, and no file was copied.
 *
 * @category errors
 * @since 0.2.0
 */
export class ProtectedTarget extends Schema.TaggedError<ProtectedTarget>()("ProtectedTarget", {
  /** Name of the task, or a prefix of the container's ID. */
  target: Schema.String,
  /** Host name of the node, where it is known. */
  node: Schema.optionalKey(Schema.String),
  /** What task-exec uses the container for: `agent`, `helper`, `relay`, … */
  role: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    const { node, role, target } = this
    const where = node === undefined ? "" : ` on node ${node}`
    const article = /^[aeiou]/.test(role) ? "an" : "a"
    return `cannot run a command or copy files in ${target}${where}: it is ${article} ${role} of task-exec`
  }

  /** The next step. */
  get hint(): string {
    return 'To inspect it, use "docker exec" on that node.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}
