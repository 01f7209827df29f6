/** What the tests on a real swarm share: the swarm, a service to run commands in, the command itself, the leak check. */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { availableParallelism, loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { nodeOptions } from "../../adapters/bundle/NodeOptions.ts"
import { get, request } from "../cluster/EngineApi.ts"
import { crashIn } from "../cluster/EngineCrash.ts"
import { deriveImage, pushImage } from "../cluster/Images.ts"
import { assertNothingLeft, clearLeftovers, leftoversOfNow } from "../cluster/Leftovers.ts"
import { entrance, signalEntered } from "../cluster/Machine.ts"
import { signalGroup } from "../cluster/Processes.ts"
import { type RunningTask, type ServiceOptions, service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { watchProgram } from "../watch/Programs.ts"

/** The folder of the built programs. */
export const dist = join(import.meta.dirname, "..", "..", "dist")

/** A folder for files of tests, as long as the scope. */
export const temporaryFolder = (name: string) =>
  Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), `task-exec-${name}-`))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )

/** What a process did. */
export interface ProcessResult {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderrBytes: Buffer
  /** `stderrBytes` as text. */
  readonly stderr: string
}

/** How a process is to be run. */
export interface ProcessOptions {
  /** Added to, or with `undefined` taken from, the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string | Uint8Array
  /** Leaves standard input open after `input`, as a pipe whose writer goes on: `-i` to another node needs a tunnel then. */
  readonly keepsInput?: boolean
  /** Called at once, with what sends the process a signal. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void
  /** Called with everything that came on standard output so far. */
  readonly onOutput?: (output: string, kill: (signal: NodeJS.Signals) => void) => void
  /** Called with everything that came on standard error so far. */
  readonly onError?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs a program of the built package and collects what it says. Interruption kills it, and what it has started. */
export const program = (file: string, args: ReadonlyArray<string>, options: ProcessOptions = {}) =>
  run([process.execPath, ...nodeOptions, join(dist, file), ...args], options)

/** The same on a machine of the swarm, where the program sees its engine's processes. */
export const programOn = (node: ClusterNode, file: string, args: ReadonlyArray<string>, options: ProcessOptions = {}) =>
  run([...entrance(node.pid), process.execPath, ...nodeOptions, join(dist, file), ...args], options, true)

/** Runs a script with bash; in it `task-exec` and `swarm-exec` are the built commands. */
export const shell = (script: string, options: ProcessOptions = {}) =>
  run(["bash", "-c", `${functions}; ${script}`], {
    ...options,
    env: { ...options.env, NODE: process.execPath, DIST: dist }
  })

const functions = ["task-exec", "swarm-exec"]
  .map((name) => `${name}() { "$NODE" ${nodeOptions.join(" ")} "$DIST/${name}.cjs" "$@"; }`)
  .join("; ")

/** `entered`: what is started is the parent of the program that is meant. */
const run = ([command = "", ...args]: ReadonlyArray<string>, options: ProcessOptions, entered = false) =>
  Effect.callback<ProcessResult>((resume) => {
    // A group of its own: what a script has started would outlive it.
    const child = spawn(command, args, {
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true
    })
    const kill = (signal: NodeJS.Signals) => {
      if (entered) signalEntered(child, signal)
      else child.kill(signal)
    }
    watchProgram([command, ...args], child)
    options.onStart?.(kill)
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    child.stdin.on("error", () => undefined)
    child.stdin.write(options.input ?? "")
    if (options.keepsInput !== true) child.stdin.end()
    child.stdout.on("data", (chunk: Buffer) => {
      stdout.push(chunk)
      options.onOutput?.(Buffer.concat(stdout).toString(), kill)
    })
    child.stderr.on("data", (chunk: Buffer) => {
      stderr.push(chunk)
      options.onError?.(Buffer.concat(stderr).toString(), kill)
    })
    child.on("close", (code, signal) => {
      const stderrBytes = Buffer.concat(stderr)
      resume(
        Effect.succeed({ code, signal, stdout: Buffer.concat(stdout), stderrBytes, stderr: stderrBytes.toString() })
      )
    })
    const closed = new Promise<void>((resolve) => child.on("close", () => resolve()))
    return Effect.promise(async () => {
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL")
      await closed
    })
  })

/** A service with one task on each of three nodes, whose manager is the engine that we talk to. */
export class Web extends Context.Service<
  Web,
  {
    readonly name: string
    readonly tasks: ReadonlyArray<RunningTask>
    /** The task on the manager. */
    readonly local: RunningTask
    /** A task on another node. */
    readonly remote: RunningTask
    /** `web.N` of a task. */
    readonly target: (task: RunningTask) => string
    readonly nodeOf: (task: RunningTask) => ClusterNode
  }
>()("task-exec/test/Web") {
  /** Under this name, on the shared swarm. */
  static readonly layer = (name: string, options: Partial<ServiceOptions> = {}) =>
    Layer.effect(
      Web,
      Effect.gen(function* () {
        const { image, manager, nodes } = yield* SwarmCluster
        yield* service(manager.socket, { ...options, name, image, replicas: nodes.length })
        yield* Effect.addFinalizer(() => checksDone)
        const tasks = yield* waitRunning(manager.socket, name, nodes.length)
        const local = tasks.find(({ nodeId }) => nodeId === manager.nodeId)
        const remote = tasks.find(({ nodeId }) => nodeId !== manager.nodeId)
        if (local === undefined || remote === undefined) return yield* Effect.die("the service is not spread")
        return Web.of({
          name,
          tasks,
          local,
          remote,
          target: ({ slot }) => `${name}.${slot}`,
          nodeOf: ({ nodeId }) => nodes.find((node) => node.nodeId === nodeId) ?? manager
        })
      })
    ).pipe(Layer.provideMerge(SwarmCluster.layerShared))
}

/** `task-exec` with these arguments, against the swarm's first manager. */
export const taskExec = Effect.fn("taskExec")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* program("task-exec.cjs", args, { ...options, env: { DOCKER_HOST: manager.dockerHost, ...options.env } })
})

/** `task-exec` as root on the manager, who reaches the files of the containers there. */
export const onManager = Effect.fn("onManager")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* programOn(manager, "task-exec.cjs", args, { ...options, env: { DOCKER_HOST: manager.dockerHost } })
})

/** `swarm-exec` with these arguments, against the swarm's first manager. */
export const swarmExec = Effect.fn("swarmExec")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* program("swarm-exec.cjs", args, {
    ...options,
    env: { DOCKER_HOST: manager.dockerHost, ...options.env }
  })
})

const agents = Effect.fnUntraced(function* (order: "up" | "down") {
  const { code, stderr } = yield* taskExec(["agent", order])
  assert.deepStrictEqual([code, stderr], [0, ""], stderr)
})

/** Agents on every node of the shared swarm, as long as the layer is there. Those of an `agent up` that fails go as well. */
export const Agents = Layer.effectDiscard(
  Effect.andThen(
    Effect.addFinalizer(() => agents("down")),
    agents("up")
  )
).pipe(Layer.provideMerge(SwarmCluster.layerShared))

const onShared = <A, E>(check: (cluster: SwarmCluster["Service"]) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.flatMap(SwarmCluster, check).pipe(Effect.provide(SwarmCluster.layerShared)))

/** Where an engine crashed, leftovers say nothing about the product: `watch/Hooks.ts` tells of the crash. */
const unlessCrashed =
  <A, E>(check: (cluster: SwarmCluster["Service"]) => Effect.Effect<A, E>) =>
  (cluster: SwarmCluster["Service"]) =>
    Effect.flatMap(crashIn(cluster), (crash) => (crash === undefined ? Effect.asVoid(check(cluster)) : Effect.void))

const nothingLeft = unlessCrashed((cluster) => assertNothingLeft(cluster))

/** Clears the swarm of what a failed test left, so that its failure does not cause that of the next test. */
const clearAfter = async ({ result }: { readonly result?: { readonly state: string } | undefined }): Promise<void> => {
  if (result?.state === "fail") await onShared(unlessCrashed((cluster) => Effect.ignore(clearLeftovers(cluster))))
}

/** Milliseconds for the check after a test, which waits for the engines, and clears away what it finds. */
const checkTimeout = 300_000

/** After each test of the file: no service, secret, container or process of ours is left. */
export const checkLeftovers = (): void => {
  afterEach(async ({ task }) => {
    try {
      await onShared(nothingLeft)
    } finally {
      await clearAfter(task)
    }
  }, checkTimeout)
}

/** The checks that are under way in this file: each gives what stayed, with the name of the test that left it. */
const underWay: Array<Promise<string | undefined>> = []

/** Waits for those that are under way. */
export const checksDone = Effect.promise(() => Promise.all(underWay))

/**
 * The same for files whose tests don't look at what others left: an engine takes seconds to remove a helper's container,
 * which the next test need not wait for. Layers like `Web` wait for all of them before they take their service away, as a
 * process that was left in a task would be gone with it.
 */
export const checkLeftoversMeanwhile = (): void => {
  afterEach(async ({ task }) => {
    if ((await onShared(crashIn)) !== undefined) return
    try {
      const wait = Effect.match(await onShared(leftoversOfNow), {
        onSuccess: () => undefined,
        onFailure: (error) => `after "${task.name}": ${error.message}`
      })
      underWay.push(Effect.runPromise(wait))
    } finally {
      await clearAfter(task)
    }
  }, checkTimeout)
  afterAll(async () => {
    const found = await Promise.all(underWay)
    if ((await onShared(crashIn)) !== undefined) return
    assert.deepStrictEqual(
      found.filter((text) => text !== undefined),
      []
    )
    await onShared(assertNothingLeft)
  }, checkTimeout)
}

/**
 * For files whose tests run at the same time, so that no test can tell its own leftovers from what another one needs: checks after the last
 * test that nothing is left.
 */
export const leavesNothing = Layer.effectDiscard(
  Effect.flatMap(SwarmCluster, (cluster) => Effect.addFinalizer(() => Effect.orDie(nothingLeft(cluster))))
)

const UpdatableNode = Schema.Struct({
  Version: Schema.Struct({ Index: Schema.Int }),
  Spec: Schema.Record(Schema.String, Schema.Unknown)
})

/** Sets a node's availability until the scope closes. */
export const availability = Effect.fnUntraced(function* (node: ClusterNode, value: "pause" | "drain") {
  const { manager } = yield* SwarmCluster
  const set = Effect.fnUntraced(function* (wanted: string) {
    const { Spec, Version } = yield* get(manager.socket, `/nodes/${node.nodeId}`, UpdatableNode)
    const query = { version: String(Version.Index) }
    yield* request(manager.socket, "POST", `/nodes/${node.nodeId}/update`, {
      query,
      body: { ...Spec, Availability: wanted }
    })
  })
  yield* Effect.acquireRelease(set(value), () => Effect.orDie(set("active")))
})

/**
 * Seconds for a limit that a command is to run into after it has said something: as many as told on a quiet machine, and more on a
 * busy one, where a shell takes that much longer to start.
 */
export const stretched = (seconds: number): number => {
  const [lastMinute = 0] = loadavg()
  return Math.ceil(seconds * Math.max(1, lastMinute / availableParallelism() / 2))
}

/** SHA-256 in hexadecimal. */
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** Our image, whose programs listen for signals three seconds after their container has started, in the swarm's registry. */
export const lateImage = Effect.gen(function* () {
  const { manager, registry } = yield* SwarmCluster
  const image = `${registry}/task-exec-late:dev`
  const pause = "await%20new%20Promise(resolve=>setTimeout(resolve,3000))"
  yield* deriveImage(manager.socket, process.env.TASK_EXEC_IMAGE ?? "", image, [
    `ENV NODE_OPTIONS=--import=data:text/javascript,${pause}`
  ])
  yield* pushImage(manager.socket, image)
  return image
})

/** What a program says of the only signal that it got: nothing, or what it waits for where that takes longer than a second. */
export const saidOfSignal =
  /^([\w-]+: SIG[A-Z]+: waiting for [^\n]* \(a second signal kills, a third one exits at once\)\n)?$/
