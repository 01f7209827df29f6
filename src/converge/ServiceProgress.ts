/** Decides how far a service has converged, from one snapshot of the managers' objects. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import {
  isFinalTaskState,
  type Service,
  type TaskDetails,
  TaskTemplate,
  withoutDigest
} from "../engine/SwarmSchemas.ts"
import { slotOf, taskName } from "../target/ResolvedTask.ts"
import { isUpToDate, newestInEachSlot } from "../target/TaskState.ts"
import { monitorPeriod } from "../target/Wait.ts"

/**
 * How far a service has converged.
 *
 * @category convergence
 * @since 0.2.0
 */
export interface ServiceProgress {
  readonly id: string
  /** The service's name. */
  readonly service: string
  /** The image of the current spec, without the digest. */
  readonly image: string
  /** The number of tasks that must run or, for a job, complete. */
  readonly wanted: number
  /**
   * The number of tasks that run the current spec and have run for 5 seconds, or have completed if Swarm does not restart them. At most
   * `wanted`.
   */
  readonly ready: number
  readonly isConverged: boolean
  /** What the service waits for, in words; empty when it has converged. */
  readonly waitingFor: ReadonlyArray<string>
}

/** The verdict on one snapshot of a service. */
export interface Verdict {
  readonly progress: ServiceProgress
  /** Why the service won't converge by itself, in Swarm's words. */
  readonly failure: string | undefined
}

/** A snapshot of a service. */
export interface Snapshot {
  readonly service: Service
  /** All tasks of the service that the managers know, also those that have ended. */
  readonly tasks: ReadonlyArray<TaskDetails>
  /** The host name of a node. */
  readonly hostname: (nodeId: string) => string
  /** Milliseconds for which a task is known to have been in its state. */
  readonly age: (task: TaskDetails) => number
  /** Milliseconds for which the service has been watched. */
  readonly watched: number
}

/** What the newest task of a slot means for its service. A task of a global service has no slot number: its slot is its node. */
type SlotState = "ready" | "waiting" | "outdated" | "ended" | "gone"

const decodeTemplate = Schema.decodeUnknownOption(TaskTemplate)

const templateOf = (spec: unknown): TaskTemplate =>
  Option.getOrElse(decodeTemplate(spec), (): TaskTemplate => ({ RestartPolicy: { Condition: "" } }))

/** The image that tasks of this spec run, without the digest. */
const imageOf = (spec: unknown): string => withoutDigest(templateOf(spec).ContainerSpec?.Image ?? "")

/** States of an update after which Swarm does nothing more for it (API reference, `UpdateStatus`). */
const failedUpdates = ["paused", "rollback_paused", "rollback_completed"]
const ongoingUpdates = ["updating", "rollback_started"]

/** Judges one snapshot. */
export const judge = (snapshot: Snapshot): Verdict => {
  const { service, tasks } = snapshot
  const { Mode, Name, TaskTemplate: template } = service.Spec
  const ofJob = tasks.filter((task) => isOfIteration(service, task))
  const slots = newestInEachSlot(ofJob, (task) => slotKey(service, task)).map((task) => ({
    task,
    state: stateOf(snapshot, task)
  }))
  const amount = (...which: ReadonlyArray<SlotState>) => slots.filter(({ state }) => which.includes(state)).length
  const ready = amount("ready")
  const wanted =
    Mode.Replicated?.Replicas ??
    Mode.ReplicatedJob?.TotalCompletions ??
    // Only the managers know which nodes fit. Each of these nodes has a task.
    amount("ready", "waiting", "outdated", "ended")
  const { Message = "", State = "" } = service.UpdateStatus ?? {}
  // A new global service has no tasks for a moment.
  const mayGetTasks = wanted === 0 && Mode.Replicated === undefined && snapshot.watched < monitorPeriod
  const waitingFor = [
    ...slots.flatMap(({ state, task }) =>
      state === "ready" || state === "gone" ? [] : describe(snapshot, task, state)
    ),
    ...(ongoingUpdates.includes(State) ? [Message] : []),
    ...(mayGetTasks ? ["no node has a task yet"] : [])
  ]
  const isConverged =
    ready >= wanted &&
    amount("outdated") === 0 &&
    !ongoingUpdates.includes(State) &&
    !failedUpdates.includes(State) &&
    !mayGetTasks
  const missing = ready + amount("waiting", "outdated") < wanted ? amount("ended") : 0
  return {
    progress: {
      id: service.ID,
      service: Name,
      image: imageOf(template),
      wanted,
      ready: Math.min(ready, wanted),
      isConverged,
      waitingFor: isConverged ? [] : waitingFor.length > 0 ? waitingFor : ["Swarm has not made its tasks yet"]
    },
    failure: failedUpdates.includes(State)
      ? [Message === "" ? State.replaceAll("_", " ") : Message, ...lastFailure(snapshot, tasks)].join("; ")
      : missing > 0
        ? slots.flatMap(({ state, task }) => (state === "ended" ? describe(snapshot, task, state) : [])).join("; ")
        : undefined
  }
}

/** Whether a task belongs to the current iteration of its job. Engines omit the index of the first iteration. */
const isOfIteration = ({ JobStatus }: Service, { JobIteration }: TaskDetails): boolean =>
  JobStatus === undefined || (JobIteration?.Index ?? 0) === JobStatus.JobIteration.Index

const isJob = ({ Spec: { Mode } }: Service): boolean => Mode.ReplicatedJob !== undefined || Mode.GlobalJob !== undefined

/** Identifies the slot of a task. */
const slotKey = (service: Service, task: TaskDetails): string =>
  `${slotOf(service, { ...task, Spec: {} }) ?? task.NodeID}`

const stateOf = ({ age, service }: Snapshot, task: TaskDetails): SlotState => {
  const { DesiredState, Spec, Status } = task
  const template = service.Spec.TaskTemplate
  const isLeaving = DesiredState === "shutdown" || DesiredState === "remove"
  const staysEnded = isJob(service) || ["none", "on-failure"].includes(templateOf(template).RestartPolicy.Condition)
  if (Status.State === "complete" && staysEnded && isUpToDate(Spec, template) && DesiredState !== "remove")
    return "ready"
  if (isLeaving) {
    const hasFailed = ["failed", "rejected"].includes(Status.State) && DesiredState === "shutdown"
    if (!hasFailed) return "gone"
    return age(task) < monitorPeriod ? "waiting" : "ended"
  }
  if (!isUpToDate(Spec, template)) return "outdated"
  return Status.State === "running" && !isJob(service) && age(task) >= monitorPeriod ? "ready" : "waiting"
}

const nameOf = ({ hostname, service }: Snapshot, task: TaskDetails): string => {
  const node = task.NodeID === undefined ? undefined : hostname(task.NodeID)
  const name = taskName(service, { ...task, Spec: {} }, node ?? "")
  return node === undefined || name.endsWith(`@${node}`) ? name : `${name} on ${node}`
}

/** What a task is doing, in Swarm's words. */
const describe = (snapshot: Snapshot, task: TaskDetails, slotState: SlotState): ReadonlyArray<string> => {
  const name = nameOf(snapshot, task)
  const { Err = "", Message, State } = task.Status
  if (slotState === "outdated") {
    const [old, current] = [imageOf(task.Spec), imageOf(snapshot.service.Spec.TaskTemplate)]
    return [old === current ? `${name} does not run the current spec` : `${name} runs ${old}, not ${current}`]
  }
  if (slotState === "ended") return [`${name} ${State}, and Swarm does not restart it: ${Err === "" ? Message : Err}`]
  const before = isFinalTaskState(State) ? [] : failureBefore(snapshot, task)
  const state =
    State === "running" && !isJob(snapshot.service) ? `running for less than ${monitorPeriod / 1000} s` : State
  return [[`${name}: ${state}${Err === "" ? "" : `: ${Err}`}`, ...before].join("; ")]
}

/** Describes how the previous task of the same slot ended, if it ended by itself. */
const failureBefore = ({ service, tasks }: Snapshot, task: TaskDetails): ReadonlyArray<string> => {
  const [last] = tasks
    .filter((other) => slotKey(service, other) === slotKey(service, task) && other.CreatedAt < task.CreatedAt)
    .sort((a, b) => (a.CreatedAt < b.CreatedAt ? 1 : -1))
  if (last === undefined || !["failed", "rejected"].includes(last.Status.State)) return []
  return [`the task before it ${last.Status.State}: ${last.Status.Err ?? last.Status.Message}`]
}

/** The service's task that failed last. */
const lastFailure = (snapshot: Snapshot, tasks: ReadonlyArray<TaskDetails>): ReadonlyArray<string> => {
  const [last] = tasks
    .filter(({ Status }) => Status.State === "failed" || Status.State === "rejected")
    .sort((a, b) => (a.Status.Timestamp < b.Status.Timestamp ? 1 : -1))
  if (last === undefined) return []
  return [`${nameOf(snapshot, last)} ${last.Status.State}: ${last.Status.Err ?? last.Status.Message}`]
}
