/** The process state that unit test files share, because they run one after the other in the same process. */
import process from "node:process"

/** The parts of a process that a test file can change for later files. */
export type ProcessState = ReadonlyMap<string, unknown>

const events = [
  "exit",
  "beforeExit",
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGWINCH",
  "uncaughtException",
  "unhandledRejection"
]

/** Effect defines its globals when it first needs them. */
const effectsOwn = "~effect/"

/** Reads the environment, the working folder, the exit code, the listeners, the clock and the global names. */
export const processState = (): ProcessState =>
  new Map<string, unknown>([
    ...Object.entries(process.env).map(([name, value]) => [`environment variable ${name}`, value] as const),
    ...Object.getOwnPropertyNames(globalThis)
      .filter((name) => !name.startsWith(effectsOwn))
      .map((name) => [`global ${name}`, "defined"] as const),
    ...events.map((event) => [`listeners of ${event}`, process.listenerCount(event)] as const),
    ["working folder", process.cwd()],
    ["exit code", process.exitCode],
    ["clock", Date],
    ["timers", setTimeout]
  ])

/** Returns the names of the parts that differ. */
export const changedParts = (before: ProcessState, after: ProcessState): ReadonlyArray<string> =>
  [...new Set([...before.keys(), ...after.keys()])].filter((part) => before.get(part) !== after.get(part))
