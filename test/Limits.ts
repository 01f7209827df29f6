/**
 * The size of the programs and of the image, the modules that they load to start, and the requests of a run: today's figures, so that a
 * change that increases one of them is noticed. If the increase is intended, set the new figure here.
 *
 * Sizes in bytes are upper limits, 5 % above the measured ones. Lists and counts are exact.
 */

/** An upper limit in bytes. */
export interface SizeLimit {
  readonly of: string
  readonly atMost: number
  readonly why: string
}

/** Limits of a bundle, and of its parts before it is minified. `why`: the reason for the limit. */
const bundleSizes = (
  bundle: string,
  atMost: number,
  why: string,
  parts: { readonly effect: number; readonly dockerode: number; readonly src: number; readonly adapters: number }
): ReadonlyArray<SizeLimit> => [
  { of: bundle, atMost, why },
  {
    of: `${bundle}: effect`,
    atMost: parts.effect,
    why: "a module more of Effect's brings others with it"
  },
  { of: `${bundle}: dockerode`, atMost: parts.dockerode, why: "its gRPC, ssh2 and tar are left out" },
  { of: `${bundle}: src`, atMost: parts.src, why: "our own" },
  { of: `${bundle}: adapters`, atMost: parts.adapters, why: "our own" }
]

/** The programs. */
export const programSizes: ReadonlyArray<SizeLimit> = [
  ...bundleSizes("task-exec.cjs", 710_000, "all of it is read, and the first time compiled, at every start", {
    effect: 662_500,
    dockerode: 147_500,
    src: 514_000,
    adapters: 240_000
  }),
  ...bundleSizes(
    "swarm-exec.cjs",
    725_000,
    "it is in the image, too, where it is in the layer that each version sends to every node",
    { effect: 667_000, dockerode: 147_500, src: 514_000, adapters: 272_000 }
  ),
  ...bundleSizes(
    "image-serve.cjs",
    375_000,
    "every container of a run reads it to start, and the cache of it, which is five times as large",
    { effect: 517_500, dockerode: 147_500, src: 266_500, adapters: 50_000 }
  )
]

/** The modules that a program loads. */
export interface Loading {
  /** Modules of Node and their own dependencies, without those that an empty program loads. */
  readonly node: ReadonlyArray<string>
  /** The folders of our modules. */
  readonly own: ReadonlyArray<string>
  /** The total size of our modules. */
  readonly ownBytes: number
}

const always = ["module", "net", "os", "process", "stream", "stream/promises", "string_decoder", "tty"]

/** `task-exec --version` needs no engine: neither HTTP nor OpenSSL, which alone takes 5 ms, nor the pipeline. */
export const versionLoads: Loading = {
  node: [...always, "path/posix"],
  own: [
    "adapters",
    "adapters/cli",
    "adapters/command",
    "adapters/docker",
    "adapters/fleet",
    "src",
    "src/engine",
    "src/executor",
    "src/fleet",
    "src/internal",
    "src/policy",
    "src/request"
  ],
  ownBytes: 77_000
}

/** `swarm-exec --version` looks only at its first word. */
export const pluginVersionLoads: Loading = {
  node: [...always, "path/posix"],
  own: [
    "adapters",
    "adapters/cli",
    "adapters/docker",
    "adapters/skopos",
    "src",
    "src/engine",
    "src/executor",
    "src/internal"
  ],
  ownBytes: 21_000
}

/** A helper that has said Hello and looked for its request: only tunnels need TLS and OpenSSL. */
export const helperLoads: Loading = {
  node: [...always, "http", "zlib"],
  own: [
    "adapters",
    "adapters/helper",
    "src",
    "src/carrier",
    "src/engine",
    "src/engine/internal",
    "src/executor",
    "src/executor/internal",
    "src/helper",
    "src/internal",
    "src/policy",
    "src/protocol"
  ],
  ownBytes: 232_000
}

/** The requests of one run to the connected engine, and the objects that it creates in the whole swarm. */
export interface RunCost {
  /** By method and path. `polled`: a request that is repeated until a condition holds. */
  readonly requests: Readonly<Record<string, number | "polled">>
  /** By kind. */
  readonly created: Readonly<Record<string, number>>
}

/** Finds the task, and the leftovers of killed callers. The list of services is for leftovers. */
const everyRun = {
  "GET /services": 1,
  "GET /services/ID": 1,
  "GET /info": 1,
  "GET /containers/json": 1,
  "GET /secrets": 1,
  "GET /networks": 1
}

/** On the task's own node. The guard is a process there, so the run creates nothing. */
export const localRun: RunCost = {
  requests: {
    ...everyRun,
    "GET /images/NAME/json": 1,
    "GET /tasks": 1,
    "GET /nodes/ID": 1,
    "GET /containers/ID/json": 1,
    "POST /containers/ID/exec": 1,
    "POST /exec/ID/start": 1,
    "GET /exec/ID/json": "polled"
  },
  created: {}
}

/** From a machine that does not see the engine's processes: the guard is a container. */
export const guardedRun: RunCost = {
  requests: {
    ...localRun.requests,
    "GET /images/NAME/json": 2,
    "POST /containers/create": 1,
    "POST /containers/ID/attach": 1,
    "POST /containers/ID/start": 1,
    "DELETE /containers/ID": 1
  },
  created: { container: 1 }
}

/** On another node. The output is in the helper's log, and the input, if any, in its request. */
export const logsRun: RunCost = {
  requests: {
    ...everyRun,
    "GET /images/NAME/json": 1,
    "GET /tasks": "polled",
    "GET /nodes/ID": "polled",
    "POST /secrets/create": 1,
    "POST /services/create": 1,
    // Repeated whenever a running helper is silent for too long. The tests of ServiceLog bound the number of reads.
    "GET /services/ID/logs": "polled",
    "DELETE /services/ID": 1,
    "DELETE /secrets/ID": 1
  },
  created: { secret: 1, service: 1, container: 1 }
}

/** On another node, with continuing input: a network, a relay on the connected engine, and a listener on the helper's node are added. */
export const tunnelRun: RunCost = {
  requests: {
    ...everyRun,
    "GET /images/NAME/json": 2,
    "GET /tasks": "polled",
    "GET /nodes/ID": "polled",
    "GET /services/ID/logs": "polled",
    "POST /secrets/create": 1,
    "POST /networks/create": 1,
    "POST /services/create": 1,
    "POST /containers/create": 1,
    "POST /containers/ID/attach": 1,
    "POST /containers/ID/start": 1,
    "GET /networks": "polled",
    "DELETE /containers/ID": 1,
    "DELETE /services/ID": 1,
    "DELETE /secrets/ID": 1,
    // Fails until Swarm has released the listener, whose helper is removed at the same time.
    "DELETE /networks/ID": "polled"
  },
  created: { secret: 1, network: 1, service: 1, container: 3 }
}

const byAgent = {
  ...everyRun,
  "GET /images/NAME/json": 1,
  "GET /tasks": 2,
  "GET /nodes/ID": 1,
  // The callers' key, and the proof of the agent's.
  "GET /configs": 1,
  "GET /tasks/ID/logs": 1
}

/**
 * Through an agent on another node. The run creates only an exec in the agent on the connected engine, and looks for its files first (as
 * root).
 */
export const agentRun: RunCost = {
  requests: { ...byAgent, "GET /containers/ID/json": 1, "POST /containers/ID/exec": 1, "POST /exec/ID/start": 1 },
  created: {}
}

/** The same run from the engine's own machine, where it creates nothing. */
export const agentSocketRun: RunCost = {
  requests: { ...byAgent, "GET /containers/ID/json": 1 },
  created: {}
}

/** The image that is assembled without a registry. */
export const imageSizes: ReadonlyArray<SizeLimit> = [
  { of: "image", atMost: 131_000_000, why: "each node that has not got it yet pulls it before its first helper runs" },
  {
    of: "image: ours",
    atMost: 3_100_000,
    why: "the program, and all of it compiled: what each version sends to every node"
  }
]
