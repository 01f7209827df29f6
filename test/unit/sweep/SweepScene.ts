/** A simulated swarm with objects of runs, for tests of the sweep. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { DockerEngine, type DockerEngineShape } from "../../../src/engine/DockerEngine.ts"
import { EngineError, EngineUnreachable, type SwarmFailure } from "../../../src/engine/EngineErrors.ts"
import type { Container, ContainerSummary, Info } from "../../../src/engine/EngineSchemas.ts"
import { Swarm, type SwarmShape } from "../../../src/engine/Swarm.ts"
import type { Network, Node, Secret, Service } from "../../../src/engine/SwarmSchemas.ts"
import { HelperImage } from "../../../src/helper/HelperImage.ts"
import { ownershipLabels, type Role } from "../../../src/Labels.ts"
import { type SweepOptions, sweep } from "../../../src/sweep/Sweep.ts"
import { overlayNetwork } from "../engine/overlayNetwork.ts"

export const now = 1_000_000_000

export const labels = (deadline: number) => ownershipLabels({ runId: "r", deadline, creator: "host:1" }, "helper")

export const expired = labels(now - 1000)

export const alive = labels(now + 1000)

/** Labels of an object of this run before its deadline. */
export const of = (runId: string, role: Role = "helper") =>
  ownershipLabels({ runId, deadline: now + 1000, creator: "host:1" }, role)

export const swarms = (serviceId: string) => ({ "com.docker.swarm.service.id": serviceId })

export const service = (id: string, Labels: Record<string, string>): Service => ({
  ID: id,
  Version: { Index: 1 },
  CreatedAt: "",
  UpdatedAt: "",
  Spec: { Name: id, Labels, Mode: {}, TaskTemplate: { Networks: [] } }
})

export const secret = (id: string, Labels: Record<string, string>): Secret => ({
  ID: id,
  Version: { Index: 1 },
  CreatedAt: "",
  Spec: { Name: id, Labels }
})

export const container = (Id: string, Labels: Record<string, string>, State = "running"): ContainerSummary => ({
  Id,
  Names: [`/${Id}`],
  Image: "",
  ImageID: "",
  Created: 0,
  Labels,
  State,
  Status: ""
})

export const running: Container = {
  Id: "",
  Name: "",
  Created: "",
  Image: "",
  State: {
    Status: "running",
    Running: true,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: 1,
    ExitCode: 0,
    Error: "",
    StartedAt: "",
    FinishedAt: ""
  },
  Config: { Image: "", Hostname: "", User: "", WorkingDir: "", Tty: false, Labels: {}, Env: [] },
  HostConfig: { UsernsMode: "", PidMode: "", NetworkMode: "", Privileged: false, LogConfig: { Type: "" } },
  Mounts: []
}

export const network = (id: string, Labels: Record<string, string>): Network =>
  overlayNetwork({ Id: id, Name: `network-${id}`, Labels })

export const node = (ID: string, State = "ready", Availability = "active"): Node => ({
  ID,
  Version: { Index: 1 },
  Spec: { Labels: {}, Role: "worker", Availability },
  Description: {
    Hostname: `host-${ID}`,
    Platform: { Architecture: "", OS: "linux" },
    Engine: { EngineVersion: "", Labels: {} }
  },
  Status: { State, Addr: "" }
})

export const info: Info = {
  ID: "",
  Name: "here",
  ServerVersion: "",
  OSType: "linux",
  SystemTime: "",
  Architecture: "",
  SecurityOptions: [],
  Swarm: { NodeID: "n1", NodeAddr: "", LocalNodeState: "active", ControlAvailable: true, Error: "", RemoteManagers: [] }
}

export const refusal = (status: number, text: string) =>
  new EngineError({ host: "h", operation: "remove it", status, text })

export const unreachable = new EngineUnreachable({
  host: "h",
  operation: "ask",
  reason: "Timeout",
  detail: "no answer"
})

export interface Scene {
  /** Responses of the engine. */
  readonly engine?: Partial<DockerEngineShape>
  /** Responses of the swarm. */
  readonly swarm?: Partial<SwarmShape>
  readonly services?: ReadonlyArray<Service>
  readonly secrets?: ReadonlyArray<Secret>
  readonly containers?: ReadonlyArray<ContainerSummary>
  readonly nodes?: ReadonlyArray<Node>
  /** The error that a removal of the object with this ID returns. */
  readonly refuses?: Readonly<Record<string, SwarmFailure>>
}

/** Sweeps an engine with these objects. Returns the report, and the requests in order. */
export const swept = Effect.fnUntraced(function* (scene: Scene, options: SweepOptions = {}) {
  const { services = [], secrets = [], containers = [], nodes = [node("n1")], refuses = {} } = scene
  const calls: Array<string> = []
  const removal = (kind: string) => (id: string) =>
    Effect.suspend(() => {
      calls.push(`${kind} ${id}`)
      const refused = refuses[id]
      return refused === undefined ? Effect.void : Effect.fail(refused)
    })
  // The engine that answered last, of several managers. No other one gets requests about containers.
  const alone = yield* Effect.provide(
    DockerEngine,
    Layer.mock(DockerEngine)({
      host: "h",
      info: Effect.succeed(info),
      listContainers: () => Effect.succeed(containers),
      removeContainer: (id) =>
        Effect.suspend(() => {
          calls.push(`container ${id}`)
          const refused = refuses[id]
          return refused instanceof EngineError ? Effect.fail(refused) : Effect.void
        }),
      ...scene.engine
    })
  )
  const swarm = Layer.mock(Swarm)({
    host: "h",
    engine: Effect.succeed(alone),
    info: Effect.succeed(info),
    listServices: () => Effect.succeed(services),
    listSecrets: () => Effect.succeed(secrets),
    listNetworks: () => Effect.succeed([]),
    listNodes: () => Effect.succeed(nodes),
    removeService: removal("service"),
    removeSecret: removal("secret"),
    ...scene.swarm
  })
  const fiber = yield* sweep({ now, ...options }).pipe(
    Effect.provide([swarm, HelperImage.layerOf("image")]),
    Effect.forkChild
  )
  yield* TestClock.adjust("2 minutes")
  return { report: yield* Fiber.join(fiber), calls }
})
