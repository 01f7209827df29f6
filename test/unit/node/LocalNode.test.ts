import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import { EngineError, EngineUnreachable } from "../../../src/engine/EngineErrors.ts"
import { ContainerSummary, Info } from "../../../src/engine/EngineSchemas.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { localNode } from "../../../src/node/Route.ts"

const host = "unix:///var/run/docker.sock"
const decodeContainer = Schema.decodeUnknownSync(ContainerSummary)
const info = Effect.succeed(
  Schema.decodeUnknownSync(Info)({ Name: "n", ServerVersion: "1", Swarm: { NodeID: "from-manager" } })
)

const container = (name: string) =>
  decodeContainer({
    Id: "c1",
    Names: [name],
    Created: 1,
    Labels: { "com.docker.swarm.task.id": "t1", "com.docker.swarm.node.id": "seen" }
  })

const nodeWhere = (
  listContainers: DockerEngine["Service"]["listContainers"],
  managerInfo: Swarm["Service"]["info"] = info
) =>
  Effect.gen(function* () {
    const engine = yield* Effect.provide(DockerEngine, Layer.mock(DockerEngine)({ host, listContainers }))
    return yield* Effect.provide(
      localNode,
      Layer.mock(Swarm)({ host, info: managerInfo, engine: Effect.succeed(engine) })
    )
  })

describe("the connected engine's node", () => {
  it.effect("is read from a container of a task", () =>
    Effect.gen(function* () {
      const node = yield* nodeWhere((filters, options) => {
        assert.deepStrictEqual(filters, { label: ["com.docker.swarm.node.id"], status: ["running"] })
        assert.deepStrictEqual(options, { all: false, limit: 1 })
        return Effect.succeed([container("/web.1.t1")])
      })
      assert.strictEqual(node, "seen")
    })
  )

  it.effect("is not read from a container whose image was made from a task's container", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* nodeWhere(() => Effect.succeed([container("/brave_volhard")])), "from-manager")
    })
  )

  it.effect("is requested if there is no task, or if containers cannot be listed", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* nodeWhere(() => Effect.succeed([])), "from-manager")
      const forbidden = new EngineError({ host, operation: "list containers", status: 403, text: "Forbidden" })
      assert.strictEqual(yield* nodeWhere(() => Effect.fail(forbidden)), "from-manager")
    })
  )

  it.effect("is that of another manager if the engine does not respond, and unknown if none does", () =>
    Effect.gen(function* () {
      const unreachable = new EngineUnreachable({ host, operation: "list containers", reason: "Refused", detail: "" })
      assert.strictEqual(yield* nodeWhere(() => Effect.fail(unreachable)), "from-manager")
      const nobody = nodeWhere(() => Effect.fail(unreachable), Effect.fail(unreachable))
      assert.strictEqual(yield* Effect.flip(nobody), unreachable)
    })
  )
})
