/**
 * `npm run image -- REF [--base IMAGE] [--push]`: builds the image on the engine that DOCKER_HOST names.
 *
 * The result is on stdout, what happens meanwhile on stderr. Exit codes: 0 built, 1 could not, 2 wrong usage.
 */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { fromEnvironment } from "../../src/engine/Environment.ts"
import { writeText } from "../Output.ts"
import { runTool } from "../ToolMain.ts"
import { buildImage } from "./Image.ts"

const usage = `Usage: npm run image -- REF [--base IMAGE] [--push]

Builds the image of task-exec's helper, and names it REF: task-exec:dev, registry.example:5000/task-exec:1.

  --base IMAGE  what it is built on: an image with Node, or "scratch" for one assembled from this machine's Node
                (default: TASK_EXEC_BASE; without that the Dockerfile's base, and scratch where it cannot be had)
  --push        push it to the registry that REF begins with
  --help        this text

Where the engine is: DOCKER_HOST and its kin, as for docker.`

/** The command line does not make sense. */
class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail} (--help tells more)`
  }
  override get [Runtime.errorExitCode](): number {
    return 2
  }
}

const options = { base: { type: "string" }, push: { type: "boolean" }, help: { type: "boolean" } } as const

const main = Effect.gen(function* () {
  const { values, positionals } = yield* Effect.try({
    try: () => parseArgs({ options, allowPositionals: true }),
    catch: (cause) => new WrongUsage({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
  if (values.help === true) return yield* writeText(1, `${usage}\n`)
  const [ref, ...more] = positionals
  if (ref === undefined || more.length > 0) {
    return yield* new WrongUsage({ detail: `one REF is wanted, not ${positionals.length}` })
  }
  const { base, push = false } = values
  const [endpoint] = yield* fromEnvironment
  const image = yield* buildImage({ endpoint, ref, push, ...(base ? { base } : {}) })
  const size = `${(image.size / 1e6).toFixed(1)} MB`
  yield* writeText(1, `${[`ref ${image.pinned ?? image.ref}`, `id ${image.id}`, `size ${size}`].join("\n")}\n`)
})

runTool(main)
