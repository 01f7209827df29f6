/** Requests for one-off tasks. */

/**
 * A new task of the target's service, for one command. All fields are optional.
 *
 * **When to use**: for migrations before a rollout, with the next image in `image`.
 *
 * @category requests
 * @since 0.2.0
 */
export interface OneOffRequest {
  /** Image of the task; default: the service's. The node pulls it with the credentials of the caller's `docker login`. */
  readonly image?: string
  /** Replaces the entrypoint and the arguments of the service and of the image. */
  readonly entrypoint?: ReadonlyArray<string>
  /** Labels for the task and its temporary service. The service's own labels are not copied. */
  readonly labels?: Readonly<Record<string, string>>
  /** Placement constraints in addition to the service's, such as `node.labels.disk==ssd`. */
  readonly constraints?: ReadonlyArray<string>
  /** Limits that replace those of the service. */
  readonly limits?: OneOffResources
  /** Reservations that replace those of the service. */
  readonly reservations?: Omit<OneOffResources, "pids">
}

/**
 * Resources of a one-off task.
 *
 * @category requests
 * @since 0.2.0
 */
export interface OneOffResources {
  /** Bytes. */
  readonly memory?: number
  /** CPUs, such as 0.5. */
  readonly cpus?: number
  /** Processes and threads. */
  readonly pids?: number
}

/** A validated {@link OneOffRequest}. */
export interface CheckedOneOff {
  readonly image: string | undefined
  readonly entrypoint: ReadonlyArray<string> | undefined
  /** The arguments of the command; `undefined`: those of the service or of the image. */
  readonly args: ReadonlyArray<string> | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly constraints: ReadonlyArray<string>
  /** In the form of a service's spec. */
  readonly limits: Readonly<Record<string, number>>
  readonly reservations: Readonly<Record<string, number>>
}

/** The program that stands for a one-off task in policies and audit records. */
export const runProgram = "run"

/** The prefix of task-exec's own labels. */
const ownLabels = "task-exec."

const resources = ({ cpus, memory, pids }: OneOffResources): Record<string, number> => ({
  ...(memory === undefined ? {} : { MemoryBytes: memory }),
  ...(cpus === undefined ? {} : { NanoCPUs: Math.round(cpus * 1e9) }),
  ...(pids === undefined ? {} : { Pids: pids })
})

/** Returns the reason why a request is invalid; `undefined` if it is valid. */
export const invalidOneOff = ({
  constraints = [],
  entrypoint,
  image,
  labels = {},
  limits = {},
  reservations = {}
}: OneOffRequest): string | undefined => {
  if (image === "") return "the image of the one-off task is empty"
  if (entrypoint?.[0] === "" || entrypoint?.length === 0) return "the entrypoint is empty"
  const texts = [...(entrypoint ?? []), ...constraints, ...Object.entries(labels).flat()]
  if (texts.some((text) => text.includes("\0"))) return "words, labels and constraints must not contain NUL characters"
  const own = Object.keys(labels).find((label) => label.startsWith(ownLabels))
  if (own !== undefined) return `the label ${own} belongs to task-exec`
  if ("" in labels) return "a label has no name"
  const amounts = [...Object.entries(limits), ...Object.entries(reservations)]
  const wrong = amounts.find(([name, value]) => !(value > 0) || (name !== "cpus" && !Number.isSafeInteger(value)))
  return wrong === undefined ? undefined : `${wrong[0]} must be a positive number, not ${wrong[1]}`
}

/** Fills in the defaults of a valid request. */
export const checkedOneOff = (request: OneOffRequest, command: ReadonlyArray<string>): CheckedOneOff => ({
  image: request.image,
  entrypoint: request.entrypoint,
  args: command.length === 0 ? undefined : command,
  labels: request.labels ?? {},
  constraints: request.constraints ?? [],
  limits: resources(request.limits ?? {}),
  reservations: resources(request.reservations ?? {})
})
