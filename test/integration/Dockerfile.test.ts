/** `docker build` of a checkout, with the Dockerfile and `.dockerignore`, as a user builds the image. */
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { buildImage } from "../../adapters/image/Image.ts"
import { version } from "../../src/Version.ts"
import { run, systemPath } from "../cluster/Command.ts"
import { remove, request } from "../cluster/EngineApi.ts"
import { poll } from "../cluster/Poll.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const checkout = join(import.meta.dirname, "../..")

/** Runs the docker client against the manager, with the classic builder, which every client and engine has. */
const docker = Effect.fn("docker")(function* (args: ReadonlyArray<string>) {
  const { manager } = yield* SwarmCluster
  return yield* run("docker", args, {
    cwd: checkout,
    env: { PATH: `${process.env.PATH ?? ""}:${systemPath}`, DOCKER_HOST: manager.dockerHost, DOCKER_BUILDKIT: "0" },
    timeout: 170_000
  })
})

/** Removes an image from the manager when no container uses it. */
const removeImage = Effect.fn("removeImage")(function* (ref: string) {
  const { manager } = yield* SwarmCluster
  const attempt = Effect.result(remove(manager.socket, `/images/${ref}`))
  yield* poll(Effect.map(attempt, Result.getSuccess), {
    atMost: 120_000,
    orElse: Effect.die(`${ref} is still in use after 60 s`)
  })
})

/** An image with Node in the swarm's registry. */
const baseInRegistry = Effect.gen(function* () {
  const { manager, push, registry } = yield* SwarmCluster
  const ref = `${registry}/task-exec:dev`
  const { base } = yield* Effect.provide(
    buildImage({ endpoint: { _tag: "Unix", path: manager.socket }, ref, base: "scratch" }),
    Logger.layer([])
  )
  const repo = `${registry}/docker-build-base`
  const tagged = `${repo}:1`
  yield* Effect.acquireRelease(
    request(manager.socket, "POST", `/images/${base}/tag`, { query: { repo, tag: "1" } }),
    () => removeImage(tagged)
  )
  yield* push(manager, tagged)
  return tagged
})

layer(Web.layer("docker-build"), { timeout: "180 seconds", excludeTestServices: true })("docker build", (it) => {
  it.effect("builds an image that serves as the program and as the helper", () =>
    Effect.gen(function* () {
      const { manager, push, registry } = yield* SwarmCluster
      const base = yield* baseInRegistry
      const ref = `${registry}/docker-build:1`
      yield* Effect.acquireRelease(docker(["build", "--pull", "--build-arg", `BASE=${base}`, "--tag", ref, "."]), () =>
        removeImage(ref)
      )
      const told = yield* docker(["run", "--rm", "--network", "none", ref, "task-exec", "--version"])
      assert.strictEqual(told, `task-exec ${version}\n`)

      yield* push(manager, ref)
      const web = yield* Web
      for (const task of [web.local, web.remote]) {
        const args = ["--image", ref, "--via", "helper", web.target(task), "hostname"]
        const { code, stderr, stdout } = yield* taskExec(args)
        assert.deepStrictEqual([code, stdout.toString(), stderr], [0, `${task.containerId.slice(0, 12)}\n`, ""])
      }
    })
  )
})
