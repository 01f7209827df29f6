/**
 * How large the programs and the image are, what they load to start, and what a run asks of the engines: the figures of today, so
 * that a change that makes one of them grow is seen. What has grown because it was meant to gets its new figure here.
 *
 * Sizes, in bytes, are upper limits 5 % above what was measured. Lists and counts are exact.
 */

/** The most that something may take. */
export interface SizeLimit {
  readonly of: string
  readonly atMost: number
  readonly why: string
}

/** Limits of a bundle as it is, and of its parts before it is minified; `why` it should be no larger. */
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
    src: 500_000,
    adapters: 240_000
  }),
  ...bundleSizes(
    "swarm-exec.cjs",
    725_000,
    "it is in the image, too, where it is in the layer that each version sends to every node",
    { effect: 667_000, dockerode: 147_500, src: 500_000, adapters: 272_000 }
  ),
  ...bundleSizes(
    "image-serve.cjs",
    375_000,
    "every container of a run reads it to start, and the cache of it, which is five times as large",
    { effect: 517_500, dockerode: 147_500, src: 254_000, adapters: 50_000 }
  )
]

/** What a program loads. */
export interface Loading {
  /** Modules of Node's, with those that they load themselves, that an empty program does without. */
  readonly node: ReadonlyArray<string>
  /** The folders of our modules. */
  readonly own: ReadonlyArray<string>
  /** All of our modules. */
  readonly ownBytes: number
}

const always = ["module", "net", "os", "process", "stream", "stream/promises", "string_decoder", "tty"]

/** To say its version, `task-exec` needs no engine: neither HTTP nor OpenSSL, which alone takes 5 ms, and none of the pipeline. */
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

/** The same of `swarm-exec`, which looks into nothing but the first word. */
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

/** A helper that has said Hello and looked for its request: TLS and OpenSSL are for tunnels alone. */
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

/** What one run asks of the engine that its caller talks to, and what it makes in the whole swarm. */
export interface RunCost {
  /** By method and path. What is asked until something is so, however often that is: `polled`. */
  readonly requests: Readonly<Record<string, number | "polled">>
  /** By kind. */
  readonly created: Readonly<Record<string, number>>
}

/** To find the task, and to look for what callers left that were killed: one of three lists of services is the latter's. */
const everyRun = {
  "GET /services": 3,
  "GET /info": 1,
  "GET /containers/json": 1,
  "GET /secrets": 1,
  "GET /networks": 1
}

/** From the task's own node: the guard is a process there, and makes nothing. */
export const localRun: RunCost = {
  requests: {
    ...everyRun,
    "GET /images/NAME/json": 1,
    "GET /tasks": 1,
    "GET /nodes/ID": 1,
    "GET /containers/ID/json": 2,
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

/** On another node, with the output in the helper's log, and the input, if there is any, in its request. */
export const logsRun: RunCost = {
  requests: {
    ...everyRun,
    "GET /images/NAME/json": 1,
    "GET /tasks": "polled",
    "GET /nodes/ID": "polled",
    "POST /secrets/create": 1,
    "POST /services/create": 1,
    // Again each time that a helper which runs is silent for too long: how often a log is read is for LogsTransport's tests.
    "GET /services/ID/logs": "polled",
    "DELETE /services/ID": 1,
    "DELETE /secrets/ID": 1
  },
  created: { secret: 1, service: 1, container: 1 }
}

/** On another node, with input that goes on: there are a network, too, and on it the relay here and the listener there. */
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
    // Refused until Swarm has let go of the listener, whose helper is removed at the same time.
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

/** By an agent on another node: nothing is made, but a process in the agent here, whose files are looked for first (by root). */
export const agentRun: RunCost = {
  requests: { ...byAgent, "GET /containers/ID/json": 1, "POST /containers/ID/exec": 1, "POST /exec/ID/start": 1 },
  created: {}
}

/** … or, from the engine's own machine, nothing at all. */
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
