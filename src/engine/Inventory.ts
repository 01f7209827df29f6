/**
 * The objects that a caller has created on the swarm and not removed yet, and its running commands. The warning about objects that can't be
 * removed, the status line after a signal, and the guard use it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { withHint } from "./Hints.ts"

/** An object on the swarm. Its label `task-exec.run` holds `runId`. */
export interface Belonging {
  readonly kind: "service" | "secret" | "network" | "container"
  readonly name: string
  readonly runId: string
}

/** What a command is for its user: a command, the command in a toolbox, or the process that forwards ports. */
export type CommandKind = "command" | "toolbox" | "forwarding"

/** A running command. */
export interface RunningCommand {
  readonly runId: string
  readonly kind: CommandKind
  /** The task and its node: `web.2 on node-3`. */
  readonly where: string
  /** The grace period in milliseconds. */
  readonly grace: number
  /** The guard's request on one line, for a command that has no guard on its node. */
  readonly guarded?: string
}

/**
 * The time for all removals of a run after one of them is delayed, in milliseconds. Engine 20.10 delays the removal of a container for up
 * to 20 seconds while it attaches the container to an overlay network. The removal of the network waits for that.
 */
const removalTimeout = 45_000
/** The time for all removals if the engine is unreachable, in milliseconds. */
export const unreachableTimeout = 15_000
/** The least time for each removal, in milliseconds. */
const minimumTimeout = 3000

/** Quotes a word for a shell, if necessary. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** The inventory of one run. Its objects and commands are also in `parent`, the inventory of the program. */
export class Inventory {
  readonly #parent: Inventory | undefined
  readonly #objects = new Set<Belonging>()
  readonly #commands = new Set<RunningCommand>()
  readonly #failures = new Map<Belonging, string>()
  readonly #watchers = new Set<() => void>()
  #engineFlags: ReadonlyArray<string> = []
  #deadline: number | undefined

  constructor(parent?: Inventory) {
    this.#parent = parent
  }

  /** Sets the flags that name the engine, such as `-H tcp://10.0.0.1:2376`, for the command lines that messages suggest. */
  nameEngine(flags: ReadonlyArray<string>): void {
    this.#engineFlags = flags
  }

  /** Returns a command line for the engine of this program: `task-exec agent down -H tcp://10.0.0.1:2376`. */
  taskExec(action: string, flags: ReadonlyArray<string> = []): string {
    if (this.#parent !== undefined) return this.#parent.taskExec(action, flags)
    return ["task-exec", action, ...this.#engineFlags.map(quoted), ...flags].join(" ")
  }

  /** Returns the command line that removes the objects of these runs or, without runs, all objects past their deadline. */
  cleanUpCommand(runIds: Iterable<string> = []): string {
    const runs = [...new Set(runIds)].flatMap((runId) => ["--run", runId])
    return this.taskExec("gc", runs)
  }

  /** The objects that exist, or may exist. */
  get objects(): ReadonlySet<Belonging> {
    return this.#objects
  }

  /** The commands that run, or may run. */
  get commands(): ReadonlySet<RunningCommand> {
    return this.#commands
  }

  /** The IDs of the runs that have objects. */
  get runIds(): ReadonlyArray<string> {
    return [...new Set([...this.#objects].map(({ runId }) => runId))]
  }

  /** Calls a function on each change. Returns a function that ends the calls. */
  onChanged(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /** Adds an object. Call it before the object is created. */
  add(object: Belonging): void {
    this.#objects.add(object)
    this.#parent?.add(object)
    for (const watcher of this.#watchers) watcher()
  }

  /** Removes an object that no longer exists, or was never created. */
  remove(object: Belonging): void {
    this.#objects.delete(object)
    this.#failures.delete(object)
    this.#parent?.remove(object)
  }

  /** Records that an object could not be removed. */
  failed(object: Belonging, reason: string): void {
    this.#failures.set(object, reason)
  }

  /** Adds a command that runs, or may run. */
  started(command: RunningCommand): void {
    this.#commands.add(command)
    this.#parent?.started(command)
    for (const watcher of this.#watchers) watcher()
  }

  /** Removes a command that has ended or is no longer awaited. */
  ended(command: RunningCommand): void {
    this.#commands.delete(command)
    this.#parent?.ended(command)
    for (const watcher of this.#watchers) watcher()
  }

  /** The time for the next removal, in milliseconds. */
  readonly remainingTime: Effect.Effect<number> = Effect.map(Clock.currentTimeMillis, (now) =>
    this.#deadline === undefined ? removalTimeout : Math.max(this.#deadline - now, minimumTimeout)
  )

  /** Reports that a removal is delayed, which limits the time for all removals. `since`: the start of the removal in Unix milliseconds. */
  removalDelayed(since: number, isReachable: boolean): void {
    const limit = since + (isReachable ? removalTimeout : unreachableTimeout)
    this.#deadline = Math.min(this.#deadline ?? limit, limit)
  }

  /** Describes the objects that could not be removed, with the reason and the command that removes them. */
  complaint(): string | undefined {
    const [reason] = this.#failures.values()
    if (reason === undefined) return undefined
    const left = [...this.#failures.keys()]
    const names = left.map(({ kind, name }) => `${kind} ${name}`).join(", ")
    const command = this.cleanUpCommand(left.map(({ runId }) => runId))
    return withHint(`cannot remove ${names}: ${reason}`, `Remove ${left.length === 1 ? "it" : "them"} with: ${command}`)
  }
}

/** The inventory to which created objects are added: that of the run or, outside of runs, that of the program. */
export class CurrentInventory extends Context.Reference<Inventory>("task-exec/engine/Inventory", {
  defaultValue: () => new Inventory()
}) {}
