/**
 * The account of a test that failed: why it failed, what its programs did, their debug output, the engines' logs and the swarm's objects. All
 * of it is kept in a folder; its ends are printed.
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

/** How many runs of the test suite keep their accounts: the last ones. */
const keptRuns = 20

/** Lines of each kind that are printed, and characters of a line. */
const printed = { errors: 20, programs: 60, debug: 40, engine: 12, width: 300 }

/** Bytes of an engine's log, or of debug output, that are kept: the last ones since the test's start. */
const keptBytes = 8 * 1024 * 1024

/** Environment variable of the product: where its programs append their debug output. */
const debugVariable = "TASK_EXEC_DEBUG_FILE"

/** Lengths of the engines' logs when the test began, by file. */
const starts = new Map<string, number>()

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0
  )

const logsOf = ({ dir, id, nodes }: SwarmClusterShape) =>
  nodes.map(({ name }) => ({ name: `${id}-${name}.dockerd.log`, file: logFileOf(dir, name) }))

/** A folder for one run of the suite, which all of its workers share: they are children of one process. */
const runFolder = async (): Promise<string> => {
  const folder = join(accountsFolder, String(process.ppid))
  await mkdir(folder, { recursive: true })
  return folder
}

/** Removes the accounts of all runs but the last ones. */
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

/** Begins the account of a test: from here on its logs count. */
export const beginAccount = async (): Promise<void> => {
  const debugFile = join(tmpdir(), `task-exec-debug-${process.pid}`)
  process.env[debugVariable] = debugFile
  await rm(debugFile, { force: true })
  for (const cluster of clustersInUse.values())
    for (const { file } of logsOf(cluster)) starts.set(file, await sizeOf(file))
}

/** What a file has since the test's start. */
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

/** Lines of an engine's log that are worth printing: those of level info tell of every network and container. */
const notable = (log: string): string =>
  log
    .split("\n")
    .filter((line) => !/level=(?:info|debug)/.test(line))
    .join("\n")

/** What the swarm has at this moment, as the manager's API tells it. */
const objectsOf = ({ manager }: SwarmClusterShape) =>
  Effect.forEach(["services", "tasks", "networks", "secrets", "nodes"], (kind) =>
    request(manager.socket, "GET", `/${kind}`, { timeout: 5_000 }).pipe(
      Effect.map((body) => `"${kind}": ${body.toString().trim()}`),
      Effect.catch(({ message }) => Effect.succeed(`"${kind}": ${JSON.stringify(message)}`))
    )
  ).pipe(Effect.map((kinds) => `{${kinds.join(",\n")}}\n`))

/** What a test failed with, as vitest tells it. */
export type Errors = ReadonlyArray<{ readonly message: string }> | undefined

/** Keeps the account of the test that has just failed; gives what is to be printed of it. */
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

/** Removes what belongs to no account. */
export const endAccounts = async (): Promise<void> => {
  const debugFile = process.env[debugVariable]
  if (debugFile !== undefined) await rm(debugFile, { force: true })
}
