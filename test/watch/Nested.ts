/** Runs tests of `fixture/` with `npm run`, on swarms of their own. */
import { spawn } from "node:child_process"
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import * as Effect from "effect/Effect"
import { engineVariable } from "../cluster/NewerEngine.ts"
import { signalGroup } from "../cluster/Processes.ts"
import { clusterVariable } from "../cluster/SwarmCluster.ts"
import { sourceVariable } from "../integration/SwarmPool.ts"
import { watchProgram } from "./Programs.ts"

const root = join(import.meta.dirname, "..", "..")
const config = join(import.meta.dirname, "fixture", "vitest.config.ts")

/** The result of a run. */
export interface NestedEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The output without colors. */
  readonly output: string
}

/** A run of `npm run`, in a process group of its own. */
export interface Nested {
  readonly pid: number
  /** All output so far. */
  readonly output: () => string
  readonly ended: Effect.Effect<NestedEnd>
}

/** Variables that this worker has from vitest and from its swarm. */
const isInherited = (name: string): boolean =>
  name !== engineVariable && /^(?:VITEST|TASK_EXEC_|npm_|NODE_ENV$|FORCE_COLOR$)/.test(name)

const plainEnv = (): Record<string, string | undefined> => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !isInherited(name))),
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  [sourceVariable]: process.env[clusterVariable],
  NO_COLOR: "1"
})

/**
 * Starts `npm run` with a script like those of package.json: `… && exec vitest run`. `files` is a part of the fixtures' names. The run is
 * killed when the scope closes.
 */
export const nestedRun = Effect.fnUntraced(function* (files: string) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-nested-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true }))
  )
  const scripts = { nested: `true && exec vitest run --config ${config} ${files}` }
  yield* Effect.promise(async () => {
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", scripts }))
    await symlink(join(root, "node_modules"), join(folder, "node_modules"))
  })
  const argv = ["run", "nested"]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn("npm", argv, { cwd: folder, env: plainEnv(), stdio: ["ignore", "pipe", "pipe"], detached: true })
    ),
    ({ pid }) => Effect.sync(() => pid !== undefined && signalGroup(pid, "SIGKILL"))
  )
  watchProgram(["npm", ...argv], child)
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString()
    })
  const ended = new Promise<NestedEnd>((resolve) =>
    child.on("exit", (code, signal) => {
      // A process that it left may keep its pipes open.
      setImmediate(() => resolve({ code, signal, output }))
    })
  )
  const nested: Nested = { pid: child.pid ?? 0, output: () => output, ended: Effect.promise(() => ended) }
  return nested
})
