/** The errors of commands in toolboxes, from an engine that answers so. On the real swarm: `Debug.test.ts`, `Forward.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import { EngineError } from "../../../src/engine/EngineErrors.ts"
import { Container, Image } from "../../../src/engine/EngineSchemas.ts"
import type { ToolboxSpec } from "../../../src/executor/ExecSpec.ts"
import { Executor } from "../../../src/executor/Executor.ts"
import { Guard } from "../../../src/executor/Guard.ts"
import { ProcessKiller } from "../../../src/executor/ProcessKiller.ts"
import { plainSpec } from "./Specs.ts"

const target = "a1b2c3d4e5f6a7b8"
const own = "0f0f0f0f0f0f0f0f"
const debug: ToolboxSpec = { _tag: "Debug", image: "tools:1" }
const forward: ToolboxSpec = { _tag: "Forward" }

const readContainer = Schema.decodeUnknownEffect(Container)
const readImage = Schema.decodeUnknownEffect(Image)
const refused = (status: number, text: string) =>
  Effect.fail(new EngineError({ host: "h", operation: "ask", status, text }))

/** The error of a command in a toolbox. `isUp`: whether the task's container runs. */
const errorOf = Effect.fnUntraced(function* (
  toolbox: ToolboxSpec,
  isUp: boolean,
  engine: Partial<DockerEngine["Service"]>
) {
  const mock = Layer.mock(DockerEngine)({
    host: "h",
    inspectContainer: () =>
      Effect.orDie(
        readContainer({ Id: target, Image: "i", State: { Running: isUp }, Config: {}, HostConfig: {}, Mounts: [] })
      ),
    inspectImage: () => Effect.orDie(readImage({ Id: "sha256:1", Config: { Labels: {} }, RepoDigests: [] })),
    createContainer: () => Effect.succeed({ id: own, warnings: [] }),
    attachContainer: () =>
      Effect.succeed({
        output: Stream.never,
        arrival: Effect.void,
        write: () => Effect.void,
        endInput: Effect.void
      }),
    startContainer: () => Effect.void,
    removeContainer: () => Effect.void,
    ...engine
  })
  const spec = {
    ...plainSpec,
    container: target,
    command: toolbox._tag === "Debug" ? (["sh"] as const) : (["port-forward", "80"] as const),
    toolbox
  }
  const exec = Executor.use(({ exec }) => Stream.runDrain(exec(spec))).pipe(
    Effect.flip,
    Effect.provide(
      Executor.layer({ image: Effect.succeed("task-exec:1") }).pipe(
        Layer.provide(Layer.mergeAll(mock, Guard.none, Layer.mock(ProcessKiller)({})))
      )
    )
  )
  const fiber = yield* Effect.forkChild(exec)
  yield* TestClock.adjust("1 minute")
  return yield* Fiber.join(fiber)
})

describe("the error of a command in a toolbox", () => {
  it.effect("names the task's container, where that has ended before its toolbox started", () =>
    Effect.gen(function* () {
      for (const toolbox of [debug, forward]) {
        const startContainer = () => refused(409, "cannot join network namespace of a non running container")
        const error = yield* errorOf(toolbox, false, { startContainer })
        assert.strictEqual(error._tag, "ContainerNotRunning")
        assert.include(error.message, "cannot run a command in container a1b2c3d4e5f6: cannot join network namespace")
      }
    })
  )

  it.effect("names the task's container, where the toolbox has ended before its command", () =>
    Effect.gen(function* () {
      const createExec = () => refused(409, `Container ${own} is not running`)
      const error = yield* errorOf(debug, true, { createExec })
      assert.strictEqual(error.message, "cannot run a command in container a1b2c3d4e5f6: its toolbox has ended")
    })
  )

  it.effect("says what to do about its image: that of the caller, or that of task-exec", () =>
    Effect.gen(function* () {
      const startContainer = () => refused(500, "no space left on device")
      const debugged = yield* errorOf(debug, true, { startContainer })
      assert.strictEqual(
        debugged.message,
        "cannot start a toolbox from image tools:1 beside container a1b2c3d4e5f6: no space left on device. Choose an image that the node can pull with --image or TASK_EXEC_DEBUG_IMAGE."
      )
      const forwarded = yield* errorOf(forward, true, { startContainer })
      assert.strictEqual(
        forwarded.message,
        'cannot start a toolbox from image task-exec:1 beside container a1b2c3d4e5f6: no space left on device. Run "task-exec doctor" to check the node.'
      )
    })
  )

  it.effect("names the toolbox's image, where that does not have the program", () =>
    Effect.gen(function* () {
      const createExec = () => refused(500, 'exec: "sh": executable file not found in $PATH')
      const error = yield* errorOf(debug, true, { createExec })
      assert.strictEqual(
        error.message,
        'cannot run "sh": command not found in the toolbox\'s image tools:1. Choose an image that has it with --image or TASK_EXEC_DEBUG_IMAGE.'
      )
    })
  )
})
