/**
 * How large the programs and the image are, what they load to start, and what a run asks of the engines: the figures of today, so
 * that a change that makes one of them grow is seen. What has grown because it was meant to gets its new figure here.
 *
 * Sizes, in bytes, are upper limits some 5 % above what was measured. Lists and counts are exact.
 */

/** The most that something may take. */
export interface SizeLimit {
  readonly of: string
  readonly atMost: number
  readonly why: string
}

/** The parts are those of the bundle before it is minified. */
export const programSizes: ReadonlyArray<SizeLimit> = [
  { of: "task-exec.cjs", atMost: 474_000, why: "all of it is read, and the first time compiled, at every start" },
  { of: "task-exec.cjs: effect", atMost: 624_000, why: "a module more of Effect's brings others with it" },
  { of: "task-exec.cjs: dockerode", atMost: 147_000, why: "its gRPC, ssh2 and tar are left out" },
  { of: "task-exec.cjs: src", atMost: 269_000, why: "our own" },
  { of: "task-exec.cjs: adapters", atMost: 83_000, why: "our own" },
  {
    of: "swarm-exec.cjs",
    atMost: 566_000,
    why: "it is in the image, too, where it is the layer that each version sends to every node"
  },
  { of: "swarm-exec.cjs: effect", atMost: 660_000, why: "a module more of Effect's brings others with it" },
  { of: "swarm-exec.cjs: dockerode", atMost: 147_000, why: "its gRPC, ssh2 and tar are left out" },
  { of: "swarm-exec.cjs: src", atMost: 289_000, why: "our own" },
  { of: "swarm-exec.cjs: adapters", atMost: 202_000, why: "our own" }
]

/** What a program loads. */
export interface Loading {
  /** Modules of Node's, with those that they load themselves, that an empty program does without. */
  readonly node: ReadonlyArray<string>
  /** Modules of ours, by folder. */
  readonly own: Readonly<Record<string, number>>
}

/** To say its version, `task-exec` needs no engine: neither HTTP nor OpenSSL, which alone takes 5 ms, and none of the pipeline. */
export const versionLoads: Loading = {
  node: ["module", "net", "os", "process", "stream", "stream/promises", "string_decoder", "tty"],
  own: {
    adapters: 3,
    "adapters/cli": 8,
    src: 1,
    "src/engine": 1,
    "src/executor": 2,
    "src/fleet": 2,
    "src/policy": 3,
    "src/route": 1
  }
}

/** A helper that has said Hello and looked for its request: TLS and OpenSSL are for tunnels alone. */
export const helperLoads: Loading = {
  node: [
    "http",
    "module",
    "net",
    "os",
    "path/posix",
    "process",
    "stream",
    "stream/promises",
    "string_decoder",
    "tty",
    "zlib"
  ],
  own: {
    adapters: 3,
    "adapters/docker": 1,
    "adapters/helper": 5,
    "adapters/skopos": 2,
    src: 2,
    "src/copy": 3,
    "src/engine": 15,
    "src/engine/internal": 9,
    "src/executor": 13,
    "src/executor/internal": 3,
    "src/internal": 1,
    "src/policy": 3,
    "src/route": 4,
    "src/wire": 5
  }
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
  "GET /info": 2,
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

/** On another node, with the output in the helper's log: the container is the helper's. */
export const logsRun: RunCost = {
  requests: {
    ...everyRun,
    "GET /images/NAME/json": 1,
    "GET /tasks": "polled",
    "GET /nodes/ID": "polled",
    "POST /secrets/create": 1,
    "POST /services/create": 1,
    "GET /services/ID/logs": 1,
    "DELETE /services/ID": 1,
    "DELETE /secrets/ID": 1
  },
  created: { secret: 1, service: 1, container: 1 }
}

/** On another node, with a stdin: there are a network and, at its end here, the container of the relay, too. */
export const tunnelRun: RunCost = {
  requests: {
    ...everyRun,
    "GET /images/NAME/json": 2,
    "GET /tasks": "polled",
    "GET /nodes/ID": "polled",
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
    "DELETE /networks/ID": 1
  },
  created: { secret: 1, network: 1, service: 1, container: 2 }
}

/** The image that is assembled without a registry. */
export const imageSizes: ReadonlyArray<SizeLimit> = [
  { of: "image", atMost: 129_000_000, why: "each node that has not got it yet pulls it before its first helper runs" },
  {
    of: "image: ours",
    atMost: 1_271_000,
    why: "the program and its compile cache: what each version sends to every node"
  }
]
