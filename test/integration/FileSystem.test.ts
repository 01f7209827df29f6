import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TaskFileSystem from "../../src/filesystem.ts"
import { HelperImage, Swarm } from "../../src/index.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { Directory, fileSystemContract } from "../contract/FileSystemContract.ts"
import { Agents, leavesNothing, Web } from "./Harness.ts"

const Manager = Layer.unwrap(
  Effect.map(SwarmCluster, ({ manager }) => Swarm.layerFor({ _tag: "Unix", path: manager.socket }))
)

/** Every case runs on the connected engine. These cases cover the connection to another node. */
const ofEveryRoute = fileSystemContract.filter(({ name }) =>
  [
    "a file is written, read and written again",
    "two megabytes stay whole",
    "what is not there is not found",
    "a directory lists what is in it",
    "a copy of a directory has everything in it",
    "a stream that is left early leaves the file system usable"
  ].includes(name)
)

const swarm = leavesNothing.pipe(
  Layer.provideMerge(HelperImage.layer),
  Layer.provideMerge(Manager),
  Layer.provideMerge(Web.layer("files")),
  Layer.provideMerge(Agents)
)

layer(swarm, { excludeTestServices: true, timeout: "180 seconds" })("the file system of a task", (it) => {
  for (const [route, task, cases] of [
    ["local", "local", fileSystemContract],
    ["agent", "remote", ofEveryRoute],
    ["helper", "remote", ofEveryRoute.slice(0, 2)]
  ] as const) {
    const files = Layer.effect(
      FileSystem,
      Effect.flatMap(Web, (web) => TaskFileSystem.make({ target: web.target(web[task]), via: route }))
    )
    const directory = Layer.succeed(Directory, { path: `/tmp/files-${route}` })
    it.layer(Layer.merge(files, directory), { concurrent: true })(`keeps the contract by the route ${route}`, (it) => {
      for (const { check, name } of cases) it.effect(name, () => check)
    })
  }

  it.effect("fails with BadArgument for what the archive API does not have", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const fs = yield* TaskFileSystem.make({ target: web.target(web.local) })
      const none = [
        fs.access("/tmp", { writable: true }),
        fs.chmod("/tmp", 0o777),
        fs.chown("/tmp", 0, 0),
        fs.link("/tmp/a", "/tmp/b"),
        fs.makeTempDirectory(),
        fs.makeTempDirectoryScoped(),
        fs.makeTempFile(),
        fs.makeTempFileScoped(),
        fs.open("/tmp/a"),
        fs.realPath("/tmp"),
        fs.remove("/tmp/a"),
        fs.rename("/tmp/a", "/tmp/b"),
        fs.truncate("/tmp/a"),
        fs.utimes("/tmp/a", 0, 0),
        fs.writeFileString("/tmp/a", "", { flag: "a" }),
        Stream.runDrain(fs.watch("/tmp"))
      ]
      for (const operation of none) {
        const { reason } = yield* Effect.flip(operation)
        assert.strictEqual(reason._tag, "BadArgument")
        assert.include(reason.message, "is not supported over the archive API")
      }
    })
  )

  it.effect("has task-exec's error as the cause of its own", () =>
    Effect.gen(function* () {
      const fs = yield* TaskFileSystem.make({ target: "no-such-service" })
      const { reason } = yield* Effect.flip(fs.readFile("/etc/hosts"))
      assert.strictEqual(reason._tag, "NotFound")
      assert.propertyVal(reason.cause, "_tag", "TaskNotFound")
    })
  )
})
