/**
 * The account of a failed test: its errors, its programs, their debug output, the engines' logs and the swarm's objects. The account is
 * kept in a folder, and the ends of its parts are printed.
 */
import { existsSync } from "node:fs"
import { mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { logFileOf } from "../cluster/Engine.ts"
import { request } from "../cluster/EngineApi.ts"
import { clustersInUse, type SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import { describeProgram, programsSoFar } from "./Programs.ts"

/** The folder of all accounts. */
const accountsFolder = join(tmpdir(), "task-exec-failed-tests")

/** The number of test runs whose accounts are kept. */
const keptRuns = 20

/** Limits of the printed part: lines of each kind, and characters of a line. */
const printed = { errors: 20, programs: 60, debug: 40, engine: 12, width: 300 }

/** The most recent bytes of an engine's log or of debug output that are kept, since the test's start. */
const keptBytes = 8 * 1024 * 1024

/** The variable with which programs append their debug output to a file. */
const debugVariable = "TASK_EXEC_DEBUG_FILE"

/** Lengths of the engines' logs at the test's start, by file. */
const starts = new Map<string, number>()

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0
  )

const logsOf = ({ dir, id, nodes }: SwarmClusterShape) =>
  nodes.map(({ name }) => ({ name: `${id}-${name}.dockerd.log`, file: logFileOf(dir, name) }))

/** The folder of one run of the tests. All its workers share it, because they are child processes of one process. */
const runFolder = async (): Promise<string> => {
  const folder = join(accountsFolder, String(process.ppid))
  await mkdir(folder, { recursive: true })
  return folder
}

/** Removes the accounts of older runs. */
const prune = async (): Promise<void> => {
  const folders = (await readdir(accountsFolder)).map((name) => join(accountsFolder, name))
  const dated = await Promise.all(folders.map(async (folder) => ({ folder, at: await modifiedAt(folder) })))
  const old = dated.toSorted((a, b) => b.at - a.at).slice(keptRuns)
  await Promise.all(old.map(({ folder }) => rm(folder, { recursive: true, force: true })))
}

const modifiedAt = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0
  )

/** Starts the account of a test: later log lines belong to it. */
export const beginAccount = async (): Promise<void> => {
  const debugFile = join(tmpdir(), `task-exec-debug-${process.pid}`)
  process.env[debugVariable] = debugFile
  await rm(debugFile, { force: true })
  for (const cluster of clustersInUse.values())
    for (const { file } of logsOf(cluster)) starts.set(file, await sizeOf(file))
}

/** The content of a file since the test's start. */
const since = async (file: string, start: number): Promise<string> => {
  if (!existsSync(file)) return ""
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const from = Math.max(start, size - keptBytes)
    const bytes = Buffer.alloc(Math.max(0, size - from))
    await handle.read(bytes, 0, bytes.length, from)
    return bytes.toString()
  } finally {
    await handle.close()
  }
}

const lastLines = (text: string, count: number): string =>
  text
    .trimEnd()
    .split("\n")
    .slice(-count)
    .map((line) => `  ${line.slice(0, printed.width)}`)
    .join("\n")

/** The lines of an engine's log to print: lines of level info report every network and container. */
const notable = (log: string): string =>
  log
    .split("\n")
    .filter((line) => !/level=(?:info|debug)/.test(line))
    .join("\n")

/** The swarm's current objects, by the manager's API. */
const objectsOf = ({ manager }: SwarmClusterShape) =>
  Effect.forEach(["services", "tasks", "networks", "secrets", "nodes"], (kind) =>
    request(manager.socket, "GET", `/${kind}`, { timeout: 5_000 }).pipe(
      Effect.map((body) => `"${kind}": ${body.toString().trim()}`),
      Effect.catch(({ message }) => Effect.succeed(`"${kind}": ${JSON.stringify(message)}`))
    )
  ).pipe(Effect.map((kinds) => `{${kinds.join(",\n")}}\n`))

/** The errors of a test, as vitest reports them. */
export type Errors = ReadonlyArray<{ readonly message: string }> | undefined

/** Keeps the account of a failed test. Returns the part to print. */
export const keepAccount = async (test: string, errors: Errors): Promise<string> => {
  const folder = join(await runFolder(), test.replace(/[^\w.-]+/g, "-").slice(0, 150))
  await mkdir(folder, { recursive: true })
  const parts: Array<string> = [`what is known of "${test}" is in ${folder}`]
  const keep = async (name: string, title: string, text: string, shown: string, lines: number) => {
    if (text === "") return
    await writeFile(join(folder, name), text)
    if (shown.trim() !== "") parts.push(`${title}:\n${lastLines(shown, lines)}`)
  }
  const reasons = (errors ?? []).map(({ message }) => message).join("\n")
  await keep("errors.txt", "why it failed", reasons, reasons, printed.errors)
  const programs = programsSoFar().map(describeProgram).join("\n")
  await keep("programs.txt", "its programs", programs, programs, printed.programs)
  const debugFile = process.env[debugVariable] ?? ""
  const debug = await since(debugFile, 0)
  await keep("debug.txt", "their debug output", debug, debug, printed.debug)
  for (const cluster of clustersInUse.values()) {
    for (const { file, name } of logsOf(cluster)) {
      const log = await since(file, starts.get(file) ?? 0)
      await keep(name, `warnings and errors in ${name}`, log, notable(log), printed.engine)
    }
    await writeFile(join(folder, `${cluster.id}.json`), await Effect.runPromise(objectsOf(cluster)))
  }
  await prune()
  return parts.join("\n\n")
}

/** Removes files that belong to no account. */
export const endAccounts = async (): Promise<void> => {
  const debugFile = process.env[debugVariable]
  if (debugFile !== undefined) await rm(debugFile, { force: true })
}
