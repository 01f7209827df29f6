/** What the tests of an engine share: names, a container, execs, archives. */
import type { Vitest } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Demux } from "../../src/engine/Demux.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { ExecConnection } from "../../src/engine/ExecRequests.ts"
import type { ExecCreate } from "../../src/engine/RequestBodies.ts"
import type { Swarm } from "../../src/engine/Swarm.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"

let names = 0
/** Returns a new name for an object. */
export const fresh = (what: string) => `${what}-${process.pid}-${++names}`

/** A sleeping container on the manager, outside of Swarm. */
export const sleeper = Effect.gen(function* () {
  const engine = yield* DockerEngine
  const { image } = yield* SwarmCluster
  const { id } = yield* Effect.acquireRelease(
    engine.createContainer({
      name: fresh("sleeper"),
      config: { Image: image, Cmd: ["sleep", "1000000"], HostConfig: { NetworkMode: "none" } }
    }),
    ({ id }) => Effect.orDie(engine.removeContainer(id, { force: true }))
  )
  yield* engine.startContainer(id)
  return id
})

/** A sleeping container for tests that only run commands in it. */
export class Sleeper extends Context.Service<Sleeper, { readonly id: string }>()("task-exec/test/Sleeper") {
  static readonly layer = Layer.effect(
    Sleeper,
    Effect.map(sleeper, (id) => Sleeper.of({ id }))
  )
}

/** An exec with all three streams. */
export const attached = { AttachStdin: true, AttachStdout: true, AttachStderr: true }

/** Starts an exec in a container. Returns its ID and its connection. */
export const startExec = Effect.fnUntraced(function* (container: string, exec: ExecCreate, tty = false) {
  const engine = yield* DockerEngine
  const id = yield* engine.createExec(container, { ...exec, Tty: tty })
  return { id, ...(yield* engine.startExec(id, { tty })) }
})

/** All output of an exec, by stream. */
export const gather = Effect.fnUntraced(function* ({ output }: ExecConnection) {
  const demux = new Demux()
  const parts = { stdin: "", stdout: "", stderr: "", system: "" }
  yield* Stream.runForEach(output, (chunk) =>
    Effect.sync(() => {
      for (const { channel, data } of demux.push(chunk)) parts[channel] += Buffer.from(data).toString("latin1")
    })
  )
  demux.end()
  return parts
})

/** Waits for the exit code, which the engine knows shortly after the end of the output. */
export const awaitExit = Effect.fnUntraced(function* (id: string) {
  const engine = yield* DockerEngine
  return yield* engine
    .inspectExec(id)
    .pipe(Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (exec) => !exec.Running }))
})

/** A tar archive of these entries. */
export const archiveOf = (entries: ReadonlyArray<Tar.Entry>) =>
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.orDie)

/** The methods of a test layer with an engine and its swarm. */
export type EngineMethods = Vitest.MethodsNonLive<SwarmCluster | DockerEngine | Swarm | Sleeper>
