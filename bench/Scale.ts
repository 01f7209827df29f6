/**
 * `npm run bench:scale`: selects tasks, paces their commands and gathers their output, for 1,250 to 10,000 tasks on 125 to 1,000 nodes.
 * Each size has a process of its own. See `ScaleModel.ts`. `-- --keep` also replaces the kept figures, and generates the pages.
 */
import { execFile, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { rolldown } from "rolldown"
import { withoutUnused } from "../rolldown.config.ts"
import {
  type LargeSwarms,
  largeSwarmColumns,
  largeSwarmRows,
  largeSwarmsFile,
  printLargeSwarms,
  SimulatedFanOut
} from "./LargeSwarm.ts"
import { commitOfNow, loadNow, processorOfNow } from "./Machine.ts"
import { writePages } from "./Page.ts"
import { writeInProject } from "./Results.ts"
import { align } from "./TextTable.ts"

const sizes = [1250, 2500, 5000, 10_000]
const fanOuts: Array<SimulatedFanOut> = []
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(SimulatedFanOut))
const load = await Effect.runPromise(loadNow)

const dir = await mkdtemp(join(tmpdir(), "task-exec-scale-"))
try {
  // A bundle, as the command is one, because stripping types takes Node some time.
  const program = join(dir, "scale.mjs")
  const input = join(import.meta.dirname, "ScaleModel.ts")
  await using bundle = await rolldown({ input, platform: "node", plugins: [withoutUnused] })
  await bundle.write({ file: program, format: "esm", codeSplitting: false })
  for (const tasks of sizes) {
    const socket = join(dir, `${tasks}.sock`)
    const server = fork(program, ["serve", socket, String(tasks)])
    try {
      await once(server, "message")
      const { stdout } = await promisify(execFile)(process.execPath, [program, "measure", socket])
      fanOuts.push(decode(stdout))
    } finally {
      server.kill()
    }
  }
} finally {
  await rm(dir, { recursive: true })
}

const found: LargeSwarms = {
  date: new Date().toISOString(),
  commit: await Effect.runPromise(commitOfNow),
  ...processorOfNow(),
  load,
  node: process.versions.node,
  fanOuts
}
console.log(align([largeSwarmColumns, ...largeSwarmRows(found)]).join("\n"))
if (process.argv.includes("--keep")) {
  await Effect.runPromise(writeInProject(largeSwarmsFile, printLargeSwarms(found)))
  await Effect.runPromise(writePages)
}
