/**
 * The temporary service that carries a request to the target's node, with its secret: made, watched, removed.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { isFinalTaskState, type ServiceSpec, type Task } from "../engine/EngineSchemas.ts"
import { ownershipLabels } from "../Labels.ts"
import type { TaskNode } from "../target/Lookup.ts"
import {
  HelperImageUnavailable,
  HelperNotPlaced,
  HelperRejected,
  NodeUnavailable,
  RequestTooLarge
} from "./HelperErrors.ts"
import { graceOf, HelperRequest, helperCommand, helperVariables, requestFile } from "./HelperRequest.ts"

/** Swarm's limit on a secret (API reference, `SecretSpec.Data`): less than 500 KB. */
const secretLimit = 500_000 - 1
/** Bound on each removal, retries included. */
const removalPatience = "15 seconds"
/** How long an image may take to arrive on the node, in milliseconds. */
const pullPatience = 300_000
/** What a helper needs besides the command's own grace period to end, in milliseconds. */
const helperOverhead = 5000

/** Where helpers of a run go, and what they are made of. */
export interface HelperPlace {
  /** Reference of the image, as the node's engine is to resolve it. */
  readonly image: string
  readonly node: TaskNode
  /** The target task's name, for messages. */
  readonly task: string
  /** Milliseconds until the node must have taken the helper. */
  readonly placementTimeout: number
}

/** One helper. */
export interface HelperOptions extends HelperPlace {
  readonly request: HelperRequest
}

/** A helper that was made. It is removed, with its secret, when the scope closes. */
export interface Helper {
  /** Name of the service. */
  readonly service: string
  /** Done when its task runs or has run; fails as soon as it is clear that it won't. */
  readonly running: Effect.Effect<void, HelperStartError | SwarmFailure>
  /** Done when its task has ended or its node went down, with Swarm's words for it. */
  readonly ended: Effect.Effect<string, SwarmFailure>
  /**
   * Tells the helper to end its command and itself, and waits for that: the command's grace period and some seconds at
   * most. Its log can still be read. What can't be done is logged.
   */
  readonly stop: Effect.Effect<void>
}

/** Why a helper does not come up. */
export type HelperStartError = HelperImageUnavailable | HelperRejected | HelperNotPlaced | NodeUnavailable

/** Fails where no helper could run, before anything is made. */
export const checkNode = (task: string, node: TaskNode): Effect.Effect<void, NodeUnavailable> =>
  node.state === "ready" && node.availability === "active"
    ? Effect.void
    : Effect.fail(
        new NodeUnavailable({ task, node: node.hostname, state: node.state, availability: node.availability })
      )

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(HelperRequest))

/** Makes the secret and the service. Both are gone when the scope is closed, also if the engine's answer got lost. */
export const openHelper = Effect.fn("TaskExec.helper")(function* (
  options: HelperOptions
): Effect.fn.Return<Helper, RequestTooLarge | SwarmFailure, DockerEngine | Scope.Scope> {
  const engine = yield* DockerEngine
  const { node, request } = options
  const name = `task-exec-${request.owner.runId}`
  const data = new TextEncoder().encode(encodeRequest(request))
  if (data.length > secretLimit) return yield* new RequestTooLarge({ bytes: data.length, limit: secretLimit })

  // Removal is by name and registered first: a creation whose answer got lost may have happened.
  yield* removeAtEnd(engine.removeSecret(name), `docker secret rm ${name}`)
  const secretId = yield* engine.createSecret({ name, labels: ownershipLabels(request.owner, "request"), data })
  yield* removeAtEnd(engine.removeService(name), `docker service rm ${name}`)
  const spec = helperService(name, secretId, options)
  yield* engine.createService(spec)

  return {
    service: name,
    running: awaitRunning(engine, name, options),
    ended: awaitEnded(engine, name, node),
    stop: stopHelper(engine, spec, options)
  }
})

const removeAtEnd = (removal: Effect.Effect<void, SwarmFailure>, command: string) =>
  Effect.addFinalizer(() =>
    removal.pipe(
      Effect.catchIf(isNotFound, () => Effect.void),
      Effect.retry(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])),
      Effect.timeout(removalPatience),
      Effect.catch((error) =>
        Effect.logWarning(`could not clean up (${error.message}); it is left behind, remove it with: ${command}`)
      )
    )
  )

const helperService = (name: string, secretId: string, options: HelperOptions): ServiceSpec => {
  const { request } = options
  const labels = ownershipLabels(request.owner, "helper")
  return {
    Name: name,
    Labels: labels,
    Mode: { Replicated: { Replicas: 1 } },
    EndpointSpec: { Mode: "dnsrr" },
    TaskTemplate: {
      ContainerSpec: {
        Image: options.image,
        Args: [helperCommand],
        Labels: labels,
        Env: [`${helperVariables.task}={{.Task.ID}}`, `${helperVariables.node}={{.Node.ID}}`],
        User: "0:0",
        ReadOnly: true,
        CapabilityDrop: ["ALL"],
        Privileges: { NoNewPrivileges: true },
        StopGracePeriod: (graceOf(request.work) + helperOverhead) * 1_000_000,
        Mounts: [{ Type: "bind", Source: "/var/run/docker.sock", Target: "/var/run/docker.sock" }],
        Secrets: [
          {
            SecretID: secretId,
            SecretName: name,
            File: { Name: requestFile, UID: "0", GID: "0", Mode: 0o400 }
          }
        ]
      },
      // Even "none" is no promise (swarmkit 2327): the helper itself makes sure that it is the first.
      RestartPolicy: { Condition: "none" },
      Placement: { Constraints: [`node.id==${options.node.id}`] },
      // The host's network opens nothing by itself, and there is none to set up: 0.2 s on engine 20.10.
      Networks: [{ Target: "host" }],
      // Every option that the engine's own defaults could set, as it merges those in: none of them may lose a line.
      LogDriver: {
        Name: "json-file",
        Options: { "max-size": "8g", "max-file": "1", compress: "false", mode: "blocking" }
      }
    }
  }
}

/** The first task of the service: another one is Swarm's doing, and does nothing. */
const helperTask = (engine: DockerEngine["Service"], service: string) =>
  engine
    .listTasks({ service: [service] })
    .pipe(Effect.map((tasks): Task | undefined => tasks.toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? -1 : 1))[0]))

const awaitRunning = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  service: string,
  options: HelperOptions
) {
  const { node, placementTimeout } = options
  const start = yield* Clock.currentTimeMillis
  for (let polls = 0; ; polls++) {
    const task = yield* helperTask(engine, service)
    const { State: state, Message, Err } = task?.Status ?? { State: "new", Message: "", Err: undefined }
    const reason = Err ?? Message
    if (state === "running" || state === "complete" || state === "failed" || state === "shutdown") return
    if (state === "rejected") return yield* rejected(options, reason)
    const after = (yield* Clock.currentTimeMillis) - start
    const taken = state === "preparing" || state === "ready" || state === "starting"
    if (after > (taken ? pullPatience : placementTimeout)) {
      return yield* new HelperNotPlaced({ node: node.hostname, after, state, reason })
    }
    if (polls % 20 === 19 && (yield* isDown(engine, node))) {
      const { availability, hostname } = node
      return yield* new NodeUnavailable({ task: options.task, node: hostname, state: "down", availability })
    }
    yield* Effect.sleep(after < 2000 ? 50 : 250)
  }
})

const rejected = (options: HelperOptions, reason: string) => {
  const node = options.node.hostname
  return /no such image|pull access denied|manifest|not found: |no matching manifest/i.test(reason)
    ? new HelperImageUnavailable({ image: options.image, node, reason })
    : new HelperRejected({ node, reason })
}

const isDown = (engine: DockerEngine["Service"], node: TaskNode) =>
  engine.inspectNode(node.id).pipe(Effect.map((now) => now.Status.State === "down"))

/** A manager may be away for a while (a new leader is found after some 10 s); the helper goes on without it. */
const patiently = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "60 seconds" })),
    while: (error) => error._tag === "EngineUnreachable" || error._tag === "EngineError"
  })

const awaitEnded = Effect.fnUntraced(function* (engine: DockerEngine["Service"], service: string, node: TaskNode) {
  while (true) {
    const found = yield* helperTask(engine, service).pipe(
      // Somebody removed the service.
      Effect.catchIf(isNotFound, () => Effect.succeed(undefined)),
      patiently
    )
    if (found === undefined) return "its service was removed"
    const { State, Message, Err } = found.Status
    if (isFinalTaskState(State)) return `${State}: ${Err ?? Message}`
    if (yield* patiently(isDown(engine, node))) return `node ${node.hostname} is down`
    yield* Effect.sleep("1 second")
  }
})

/**
 * A service without replicas ends its task as its removal does, with the stop signal and the grace period, but task and
 * log stay to be looked at.
 */
const stopHelper = (engine: DockerEngine["Service"], spec: ServiceSpec, { node, request }: HelperOptions) =>
  Effect.gen(function* () {
    const { Version } = yield* engine.inspectService(spec.Name)
    yield* engine.updateService(spec.Name, Version.Index, { ...spec, Mode: { Replicated: { Replicas: 0 } } })
    for (let wait = 50; ; wait = Math.min(wait * 1.5, 500)) {
      const task = yield* helperTask(engine, spec.Name)
      // Without a node there is no container.
      if (task?.NodeID === undefined || isFinalTaskState(task.Status.State)) return
      if (yield* isDown(engine, node)) return
      yield* Effect.sleep(wait)
    }
  }).pipe(
    // Somebody removed the service: Swarm stops the helper all the same.
    Effect.catchIf(isNotFound, () => Effect.void),
    Effect.timeout(graceOf(request.work) + 2 * helperOverhead),
    Effect.catch((error) => Effect.logWarning(`the helper on node ${node.hostname} did not end: ${error.message}`))
  )
