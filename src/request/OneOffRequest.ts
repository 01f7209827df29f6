/** Requests for one-off tasks. */

/**
 * One more task of the target's service, for one command. All fields are optional.
 *
 * **When to use**: for migrations before a rollout, with the next image in `image`.
 *
 * @category requests
 * @since 0.2.0
 */
export interface OneOffRequest {
  /** Image of the task; default: the service's. The caller's `docker login` counts. */
  readonly image?: string
  /** Replaces the entrypoint of the service and the image, and with it the arguments that they name. */
  readonly entrypoint?: ReadonlyArray<string>
  /** Labels for the task and its temporary service. The service's own labels are not copied. */
  readonly labels?: Readonly<Record<string, string>>
  /** Constraints of placement in addition to the service's, such as `node.labels.disk==ssd`. */
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
  /** The words of the command; `undefined`: those of the service, or of the image. */
  readonly args: ReadonlyArray<string> | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly constraints: ReadonlyArray<string>
  /** As a service's spec has them. */
  readonly limits: Readonly<Record<string, number>>
  readonly reservations: Readonly<Record<string, number>>
}

/** Names the action in policies and records, as the program of the command. */
export const runProgram = "run"

/** The prefix of the labels of task-exec itself. */
const ownLabels = "task-exec."

const resources = ({ cpus, memory, pids }: OneOffResources): Record<string, number> => ({
  ...(memory === undefined ? {} : { MemoryBytes: memory }),
  ...(cpus === undefined ? {} : { NanoCPUs: Math.round(cpus * 1e9) }),
  ...(pids === undefined ? {} : { Pids: pids })
})

/** Why a request is invalid; `undefined` if it is valid. */
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
