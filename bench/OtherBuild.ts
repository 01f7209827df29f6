/** A build of another commit, in a temporary folder. The repository and its worktrees do not change. */
import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type CommandFailed, run } from "../test/cluster/Command.ts"
import { runGroup } from "../test/cluster/ProcessGroup.ts"
import type { Build } from "./Contenders.ts"
import { runTimeout } from "./Measure.ts"
import type { Stage } from "./Stage.ts"

/** The other commit cannot be built. */
export class OtherBuildFailed extends Schema.TaggedError<OtherBuildFailed>()("OtherBuildFailed", {
  revision: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot build the commit ${this.revision}: ${this.detail.trim()}`
  }
}

const project = join(import.meta.dirname, "..")
const lockfile = "package-lock.json"

const git = (...args: ReadonlyArray<string>) => run("git", ["-C", project, ...args])

/** Copies this project's packages if the commit has the same ones. A link would give the modules other paths in the bundle. */
const installPackages = Effect.fnUntraced(function* (folder: string, env: Readonly<Record<string, string>>) {
  const [ours, theirs] = yield* Effect.promise(() =>
    Promise.all([project, folder].map((at) => readFile(join(at, lockfile), "utf8")))
  )
  const install =
    ours === theirs
      ? ["cp", "-a", "--reflink=auto", join(project, "node_modules"), folder]
      : ["npm", "ci", "--prefix", folder, "--ignore-scripts"]
  yield* runGroup(install, { env, timeout: runTimeout })
})

/** Builds the commit and its image in `dir`, and pushes the image to the swarm's registry. */
export const buildOther = Effect.fn("OtherBuild.build")(
  function* (revision: string, dir: string, { manager, registry }: Pick<Stage, "manager" | "registry">) {
    const commit = (yield* git("rev-parse", "--verify", `${revision}^{commit}`)).trim()
    yield* Console.error(`building ${commit.slice(0, 12)}`)
    const folder = join(dir, "other")
    yield* Effect.promise(() => mkdir(folder))
    const archive = join(dir, "other.tar")
    yield* git("archive", "--output", archive, commit)
    yield* run("tar", ["-xf", archive, "-C", folder])
    const env = {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? dir,
      DOCKER_HOST: manager.dockerHost
    }
    const options = { env, timeout: runTimeout }
    yield* installPackages(folder, env)
    yield* runGroup(["npm", "--prefix", folder, "run", "build"], options)
    const image = `${registry}/task-exec:other`
    const imageProgram = join(folder, "adapters/image/main.ts")
    yield* runGroup([process.execPath, imageProgram, image, "--base", "scratch", "--push"], options)
    const build: Build = { name: commit.slice(0, 12), folder, image }
    return build
  },
  (built, revision) =>
    Effect.catchTag(built, "CommandFailed", ({ message }: CommandFailed) =>
      Effect.fail(new OtherBuildFailed({ revision, detail: message }))
    )
)
