import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { leftovers } from "../cluster/Leftovers.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { type ProcessOptions, program, stretched } from "./Harness.ts"
import { imageFor } from "./SwarmPool.ts"

/** Two nodes whose engines remap user namespaces, with one service on each, and our image. */
class Remapped extends Context.Service<
  Remapped,
  {
    readonly worker: ClusterNode
    /** The image of the services. */
    readonly image: string
    /** Runs a built program on the manager. */
    readonly run: (
      file: string,
      args: ReadonlyArray<string>,
      options?: ProcessOptions
    ) => Effect.Effect<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
    /** Dies if there are leftovers. */
    readonly nothingLeft: Effect.Effect<void>
  }
>()("task-exec/test/Remapped") {
  static readonly layer = Layer.effect(
    Remapped,
    Effect.gen(function* () {
      const cluster = yield* SwarmCluster
      const { image, manager, nodes } = cluster
      const [, worker = manager] = nodes
      yield* service(manager.socket, { name: "near", image, node: manager.name })
      yield* service(manager.socket, { name: "far", image, node: worker.name })
      const ref = yield* imageFor(cluster)
      for (const name of ["near", "far"]) yield* waitRunning(manager.socket, name, 1)
      const env = { DOCKER_HOST: manager.dockerHost, TASK_EXEC_IMAGE: ref }
      const run = Effect.fnUntraced(function* (
        file: string,
        args: ReadonlyArray<string>,
        options: ProcessOptions = {}
      ) {
        const { code, stderr, stdout } = yield* program(file, args, { ...options, env })
        return { code, stdout: stdout.toString(), stderr }
      })
      // An engine may list a relay's overlay network for a moment after its removal.
      const left = Effect.orDie(leftovers(cluster, { timeout: 0 }))
      const nothingLeft = pollUntil(
        Effect.map(left, ({ length }) => length === 0),
        { every: 200, atMost: 120_000, orElse: Effect.flatMap(left, (items) => Effect.die(items.join("\n"))) }
      )
      return Remapped.of({ worker, image, run, nothingLeft })
    })
  ).pipe(
    // The engine creates the user. Every node has its own /etc.
    Layer.provide(SwarmCluster.layer({ nodes: 2, dockerdArgs: ["--userns-remap=default"] }))
  )
}

const taskExec = (...args: ReadonlyArray<string>) => Remapped.use(({ run }) => run("task-exec.cjs", args))

const nothingLeft = Remapped.use((remapped) => remapped.nothingLeft)

/** A script that ignores signals, with a child process in its own session. */
const stubborn = ["sh", "-c", "trap '' TERM; setsid sleep 4321 & echo up; exec sleep 4321"]

/** The message of a timeout that killed everything. */
const killed = (seconds: number) => ({
  code: 124,
  stdout: "up\n",
  stderr: `task-exec: timed out after ${seconds} s; the command and all its child processes were killed\n`
})

const remapping =
  /cannot open the engine's socket from a helper on node node-2: the engine remaps user namespaces\. Set DOCKER_HOST to node-2 if it is a manager, or give the helper access there: setfacl -m u:[1-9]\d+:rw \/var\/run\/docker\.sock\n/

layer(Remapped.layer, { excludeTestServices: true, timeout: "180 seconds" })("remapped user namespaces", (it) => {
  it.effect("allow a task of the connected engine to run a command, which is killed with its child processes", () =>
    Effect.gen(function* () {
      const map = yield* taskExec("near", "sh", "-c", "cat /proc/self/uid_map; exit 5")
      assert.strictEqual(map.code, 5)
      // Otherwise these tests would not cover remapping.
      assert.match(map.stdout, /^\s*0\s+[1-9]/)
      const seconds = stretched(3)
      const late = yield* Effect.forEach(
        [[], ["-u", "1234:1234"], ["--privileged"]],
        (flags) => taskExec("--timeout", `${seconds}`, "--grace", "200ms", ...flags, "near", ...stubborn),
        { concurrency: 3 }
      )
      assert.deepStrictEqual(
        late,
        late.map(() => killed(seconds))
      )
      yield* nothingLeft
    })
  )

  it.effect("let a toolbox on the connected engine see the task's root file system", () =>
    Effect.gen(function* () {
      const { image, run } = yield* Remapped
      yield* taskExec("near", "sh", "-c", "echo here > /tmp/mark")
      const { code, stderr, stdout } = yield* run("task-exec.cjs", [
        ...["debug", "--image", image, "near"],
        ...["cat", "/proc/1/root/tmp/mark"]
      ])
      assert.deepStrictEqual([code, stdout, stderr], [0, "here\n", ""])
      yield* nothingLeft
    })
  )

  it.effect("allow a one-off task on the connected engine", () =>
    Effect.gen(function* () {
      const { run } = yield* Remapped
      const line = ["run", "--entrypoint", "sh", "near", "-c", "cat /proc/self/uid_map; exit 5"]
      const { code, stderr, stdout } = yield* run("task-exec.cjs", line)
      assert.deepStrictEqual([code, stderr], [5, ""])
      assert.match(stdout, /^\s*0\s+[1-9]/)
      yield* nothingLeft
    })
  )

  it.effect("let the guard kill the command of a killed caller", () =>
    Effect.gen(function* () {
      const { run } = yield* Remapped
      const { code, stderr } = yield* run("task-exec.cjs", ["--grace", "200ms", "near", ...stubborn], {
        onOutput: (output, kill) => output === "up\n" && kill("SIGKILL")
      })
      assert.deepStrictEqual([code, stderr], [null, ""])
      yield* nothingLeft
    })
  )

  it.effect("keep a helper from its engine's socket, as one line says with a next step", () =>
    Effect.gen(function* () {
      const { run } = yield* Remapped
      const [output, input, gc, doctor] = yield* Effect.all(
        [
          taskExec("far", "touch", "/tmp/ran"),
          run("task-exec.cjs", ["-i", "far", "touch", "/tmp/ran"], { keepsInput: true }),
          run("task-exec.cjs", ["gc"]),
          run("task-exec.cjs", ["doctor", "-q", "--no-network"])
        ],
        { concurrency: 4 }
      )
      for (const { code, stderr, stdout } of [output, input]) {
        assert.deepStrictEqual([code, stdout], [125, ""])
        assert.match(stderr, new RegExp(`^task-exec: ${remapping.source}$`))
      }
      assert.strictEqual(gc.code, 1)
      assert.strictEqual(doctor.code, 1)
      assert.match(
        doctor.stdout,
        /^fails +socket +node-2: user namespaces are remapped: .*\n +run setfacl -m u:[1-9]\d+:rw .* on node-2/m
      )
      // Sweepers are helpers, too.
      assert.match(gc.stdout + gc.stderr, new RegExp(`node node-2 was not checked: ${remapping.source}`))
      yield* nothingLeft
    })
  )

  it.effect("do not matter on a node that permits helpers", () =>
    Effect.gen(function* () {
      const { run, worker } = yield* Remapped
      // Every engine uses the same range, because each has its own /etc.
      const map = yield* taskExec("near", "cat", "/proc/self/uid_map")
      const owner = (uid: string) => Effect.orDie(worker.exec(["chown", uid, "/run/docker.sock"]))
      yield* Effect.acquireRelease(owner(/^\s*0\s+(\d+)/.exec(map.stdout)?.[1] ?? ""), () => owner("0"))
      const seconds = stretched(3)
      const [ran, fed, late, gc] = yield* Effect.all(
        [
          taskExec("far", "sh", "-c", "ls /tmp; echo err >&2; exit 7"),
          run("task-exec.cjs", ["-i", "far", "head", "-c", "2"], { input: "in", keepsInput: true }),
          taskExec("--timeout", `${seconds}`, "--grace", "200ms", "far", ...stubborn),
          run("task-exec.cjs", ["gc"])
        ],
        { concurrency: 4 }
      )
      assert.deepStrictEqual(ran, { code: 7, stdout: "", stderr: "err\n" })
      assert.deepStrictEqual(fed, { code: 0, stdout: "in", stderr: "" })
      assert.deepStrictEqual([late, gc.code], [killed(seconds), 0])
      yield* nothingLeft
    }).pipe(Effect.scoped)
  )
})
