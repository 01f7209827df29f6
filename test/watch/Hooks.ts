/**
 * vitest's setup file for all tests with real engines.
 *
 * After each test, every engine is checked. A crash fails that test, skips the other tests of its file, and gives the next file another
 * swarm (`OwnSwarm.ts`). A failed test, or a failed setup of several tests, leaves an account (`Account.ts`).
 */
import { afterAll, beforeEach } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type EngineCrashed, findNewCrash, knownCrash } from "../cluster/EngineCrash.ts"
import { clustersInUse, type SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import { beginAccount, type Errors, endAccounts, keepAccount } from "./Account.ts"
import { forgetPrograms } from "./Programs.ts"

/** If the engine does not start again, its crash is still the error to report. */
const restartEngine = ({ nodes, startEngine }: SwarmClusterShape, crash: EngineCrashed) =>
  Effect.forEach(
    nodes.filter(({ name }) => name === crash.node),
    (node) => Effect.ignore(startEngine(node))
  )

/**
 * Throws the first unreported crash in any used cluster, after `tell`. Starts the engine again, so that the file's objects can be removed.
 */
const throwNewCrash = async (tell: () => Promise<void>): Promise<void> => {
  for (const cluster of clustersInUse.values()) {
    const crash = await Effect.runPromise(findNewCrash(cluster))
    if (crash === undefined) continue
    await tell()
    await Effect.runPromise(restartEngine(cluster, crash))
    throw crash
  }
}

const earlierCrash = async (): Promise<EngineCrashed | undefined> => {
  for (const { dir } of clustersInUse.values()) {
    const crash = await Effect.runPromise(knownCrash(dir))
    if (crash !== undefined) return crash
  }
  return undefined
}

const nameOf = (task: { readonly name: string; readonly suite?: { readonly name: string } | undefined }): string =>
  [task.suite?.name, task.name].filter((name) => name !== undefined && name !== "").join(" > ")

beforeEach(async ({ onTestFailed, onTestFinished, skip, task }) => {
  const crash = await earlierCrash()
  if (crash !== undefined) skip(`the engine of ${crash.node} crashed in an earlier test`)
  forgetPrograms()
  await beginAccount()
  let isTold = false
  const tell = async () => {
    if (isTold) return
    isTold = true
    process.stderr.write(`\n${await keepAccount(`${task.file.name} > ${nameOf(task)}`, task.result?.errors)}\n`)
  }
  onTestFailed(tell, 60_000)
  // Runs after the test and the hooks of its file, whatever they do.
  onTestFinished(() => throwNewCrash(tell), 90_000)
})

/** A test, or a suite of tests. */
interface Part {
  readonly name: string
  readonly result?: { readonly errors?: Errors } | undefined
  readonly tasks?: ReadonlyArray<Part>
}

/** The suites whose setup or teardown failed. */
const failedSuites = (part: Part): ReadonlyArray<Part> =>
  part.tasks === undefined
    ? []
    : [...(part.result?.errors === undefined ? [] : [part]), ...part.tasks.flatMap((inner) => failedSuites(inner))]

// biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern which fixtures the hook uses.
afterAll(async ({}, file) => {
  for (const { name, result } of failedSuites(file))
    process.stderr.write(`\n${await keepAccount(`${file.name} > ${name}`, result?.errors)}\n`)
  await endAccounts()
  await throwNewCrash(async () => undefined)
}, 90_000)
