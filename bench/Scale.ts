/**
 * `npm run bench:scale`: selects tasks, paces their commands and gathers their output, for 1,250 to 10,000 tasks on 125 to 1,000 nodes.
 * Each size has a process of its own. See `ScaleModel.ts`.
 */
import { execFile, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { rolldown } from "rolldown"
import { withoutUnused } from "../rolldown.config.ts"

const sizes = [1250, 2500, 5000, 10_000]

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
      process.stdout.write(stdout)
    } finally {
      server.kill()
    }
  }
} finally {
  await rm(dir, { recursive: true })
}
