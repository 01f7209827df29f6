/** Finds the functions that a run of a program calls: a command in a task on the engine of {@link serveEngine}. */
import { execFile } from "node:child_process"
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import * as Schema from "effect/Schema"
import { v8Options } from "./NodeOptions.ts"
import { output, serveEngine, target } from "./SimulatedEngine.ts"

/** What Node writes about a process if `NODE_V8_COVERAGE` is set. */
const Coverage = Schema.fromJsonString(
  Schema.Struct({
    result: Schema.Array(
      Schema.Struct({
        url: Schema.String,
        functions: Schema.Array(
          Schema.Struct({ ranges: Schema.NonEmptyArray(Schema.Struct({ startOffset: Schema.Int, count: Schema.Int })) })
        )
      })
    )
  })
)

/** Milliseconds until the run is killed. */
const timeout = 120_000

/**
 * The positions in the program at which the called functions begin. Fails if the run does not give the command's output. A slow run calls a
 * few functions more, which wait for something, so two builds can differ in a few parentheses.
 */
export const calledIn = async (code: string): Promise<ReadonlySet<number>> => {
  // V8 reports real paths.
  const folder = await realpath(await mkdtemp(join(tmpdir(), "task-exec-build-")))
  const [file, socket, coverage] = [join(folder, "task-exec.cjs"), join(folder, "engine"), join(folder, "coverage")]
  const engine = await serveEngine(socket)
  try {
    await writeFile(file, code)
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [...v8Options, file, target, "true"], {
      env: { HOME: folder, DOCKER_HOST: `unix://${socket}`, NODE_V8_COVERAGE: coverage },
      timeout
    })
    if (stdout !== output) throw new Error(`the run at the build printed ${JSON.stringify(stdout)}. ${stderr}`)
    const [report = ""] = await readdir(coverage)
    const { result } = Schema.decodeSync(Coverage)(await readFile(join(coverage, report), "utf8"))
    const program = result.find(({ url }) => url === pathToFileURL(file).href)
    if (program === undefined) throw new Error(`the run at the build left no coverage of ${file}`)
    return new Set(
      program.functions.flatMap(({ ranges: [{ count, startOffset }] }) => (count === 0 ? [] : [startOffset]))
    )
  } finally {
    engine.close()
    await rm(folder, { recursive: true })
  }
}
