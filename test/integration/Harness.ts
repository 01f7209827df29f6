/** Shared parts of the tests on a real swarm: the swarm, a service with tasks, the built programs, the leak check. */
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
import { nsenterArgs, signalInside } from "../cluster/Machine.ts"
import { signalGroup } from "../cluster/Processes.ts"
import { type RunningTask, type ServiceOptions, service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { watchProgram } from "../watch/Programs.ts"

/** The folder of the built programs. */
export const dist = join(import.meta.dirname, "..", "..", "dist")

/** A folder for files of tests. It is removed with the scope. */
export const temporaryFolder = (name: string) =>
  Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), `task-exec-${name}-`))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )

/** The result of a process. */
export interface ProcessResult {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderrBytes: Buffer
  /** `stderrBytes` as text. */
  readonly stderr: string
}

/** Options of a process. */
export interface ProcessOptions {
  /** Added to the environment, or with `undefined` removed from it. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string | Uint8Array
  /** Leaves stdin open after `input`, as a pipe whose writer continues. `-i` to another node then needs a tunnel. */
  readonly keepsInput?: boolean
  /** Called at the start with a function that sends signals to the process. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void
  /** Called with all of stdout so far. */
  readonly onOutput?: (output: string, kill: (signal: NodeJS.Signals) => void) => void
  /** Called with all of stderr so far. */
  readonly onError?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs a built program and collects its output. An interruption kills it and its child processes. */
export const program = (file: string, args: ReadonlyArray<string>, options: ProcessOptions = {}) =>
  run([process.execPath, ...nodeOptions, join(dist, file), ...args], options)

/** Runs a built program on a machine of the swarm, where it sees its engine's processes. */
export const programOn = (node: ClusterNode, file: string, args: ReadonlyArray<string>, options: ProcessOptions = {}) =>
  run([...nsenterArgs(node.pid), process.execPath, ...nodeOptions, join(dist, file), ...args], options, true)

/** Runs a script with bash. `task-exec` and `swarm-exec` in it are the built programs. */
export const shell = (script: string, options: ProcessOptions = {}) =>
  run(["bash", "-c", inShell(script)], { ...options, env: { ...options.env, ...shellVariables } })

/** A script in which `task-exec` and `swarm-exec` are the built commands, given these variables. */
export const inShell = (script: string): string => `${functions}; ${script}`
export const shellVariables = { NODE: process.execPath, DIST: dist }

const functions = ["task-exec", "swarm-exec"]
  .map((name) => `${name}() { "$NODE" ${nodeOptions.join(" ")} "$DIST/${name}.cjs" "$@"; }`)
  .join("; ")

/** `entered`: the started process is the parent of the actual program. */
const run = ([command = "", ...args]: ReadonlyArray<string>, options: ProcessOptions, entered = false) =>
  Effect.callback<ProcessResult>((resume) => {
    // In its own process group, because child processes of a script may outlive the script.
    const child = spawn(command, args, {
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true
    })
    const kill = (signal: NodeJS.Signals) => {
      if (entered) signalInside(child, signal)
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

/** A service with one task on each of three nodes. Its manager is the connected engine. */
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
  /** The layer with a service of this name on the shared swarm. */
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

/** `task-exec` with these arguments, on the swarm's first manager. */
export const taskExec = Effect.fn("taskExec")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* program("task-exec.cjs", args, { ...options, env: { DOCKER_HOST: manager.dockerHost, ...options.env } })
})

/** `task-exec` as root on the manager's machine, where it has access to the containers' files. */
export const onManager = Effect.fn("onManager")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* programOn(manager, "task-exec.cjs", args, { ...options, env: { DOCKER_HOST: manager.dockerHost } })
})

/** `swarm-exec` with these arguments, on the swarm's first manager. */
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

/** Agents on every node of the shared swarm, until the layer's scope closes. If `agent up` fails, its agents are removed, too. */
export const Agents = Layer.effectDiscard(
  Effect.andThen(
    Effect.addFinalizer(() => agents("down")),
    agents("up")
  )
).pipe(Layer.provideMerge(SwarmCluster.layerShared))

const onShared = <A, E>(check: (cluster: SwarmCluster["Service"]) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.flatMap(SwarmCluster, check).pipe(Effect.provide(SwarmCluster.layerShared)))

/** After a crash of an engine, leftovers prove nothing about task-exec. `watch/Hooks.ts` reports the crash. */
const unlessCrashed =
  <A, E>(check: (cluster: SwarmCluster["Service"]) => Effect.Effect<A, E>) =>
  (cluster: SwarmCluster["Service"]) =>
    Effect.flatMap(crashIn(cluster), (crash) => (crash === undefined ? Effect.asVoid(check(cluster)) : Effect.void))

const nothingLeft = unlessCrashed((cluster) => assertNothingLeft(cluster))

/** Clears the swarm after a failed test, so that its leftovers do not fail the next test. */
const clearAfter = async ({ result }: { readonly result?: { readonly state: string } | undefined }): Promise<void> => {
  if (result?.state === "fail") await onShared(unlessCrashed((cluster) => Effect.ignore(clearLeftovers(cluster))))
}

/** The timeout of the check after a test, in milliseconds. The check waits for the engines, and removes what it finds. */
const checkTimeout = 300_000

/** Checks after each test of the file that there is no service, secret, container or process of ours. */
export const checkLeftovers = (): void => {
  afterEach(async ({ task }) => {
    try {
      await onShared(nothingLeft)
    } finally {
      await clearAfter(task)
    }
  }, checkTimeout)
}

/** The running checks of this file. Each returns what remains, with the name of the test that left it. */
const underWay: Array<Promise<string | undefined>> = []

/** Waits for the running checks. */
export const checksDone = Effect.promise(() => Promise.all(underWay))

/**
 * Checks after each test, while the next test runs: an engine takes seconds to remove a helper's container. For files whose tests ignore
 * leftovers of others. Layers like `Web` wait for all checks before they remove their service, because that would also remove a leftover
 * process in a task.
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
 * Checks after the last test that nothing is left. For files whose tests run at the same time and cannot tell their leftovers from another
 * test's objects.
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
 * Seconds for a timeout that a command must exceed after its first output. On a busy machine the result is larger, because a shell takes
 * longer to start there.
 */
export const stretched = (seconds: number): number => {
  const [lastMinute = 0] = loadavg()
  return Math.ceil(seconds * Math.max(1, lastMinute / availableParallelism() / 2))
}

/** SHA-256 in hexadecimal. */
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** Our image, with programs that listen for signals only three seconds after their container's start, in the swarm's registry. */
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

/** The message of a program about its only signal: none, or what it waits for if that takes longer than a second. */
export const saidOfSignal =
  /^([\w-]+: SIG[A-Z]+: waiting for [^\n]* \(a second signal kills, a third one exits at once\)\n)?$/
