/**
 * What a caller has on the swarm at this moment: the objects that it made and has not removed yet, and the commands that run for it.
 * From here come the one warning about what could not be removed, what a signal's message says is waited for, and what a guard removes
 * should the caller be killed.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { withHint } from "./Hints.ts"

/** An object on the swarm. The label `task-exec.run` on it holds `runId`. */
export interface Belonging {
  readonly kind: "service" | "secret" | "network" | "container"
  readonly name: string
  readonly runId: string
}

/** A command that was started and has not ended. */
export interface RunningCommand {
  readonly runId: string
  /** `web.2 on node-3`. */
  readonly where: string
  /** Milliseconds between the signal that ends it and KILL. */
  readonly grace: number
  /** What the guard is told of a command that has no guard on its own node, in one line. */
  readonly guarded?: string
}

/**
 * How long the removals of a run may take altogether once one was delayed, in milliseconds. Engine 20.10 holds back the removal of a
 * container for up to 20 seconds while it attaches the container to an overlay network, and that of the network until then.
 */
const patience = 45_000
/** How long they may take where the engine can't be reached, in milliseconds. */
export const unreachablePatience = 15_000
/** The least that each removal gets, in milliseconds. */
const leastPatience = 3000

/** A word for a shell. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** The inventory of one run. Its objects and commands are in the inventory of its program, too. */
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

  /** The flags with which the command line names its engine, for the commands that messages suggest: `-H tcp://10.0.0.1:2376`. */
  nameEngine(flags: ReadonlyArray<string>): void {
    this.#engineFlags = flags
  }

  /** A command line for the engine of this program: `task-exec agent down -H tcp://10.0.0.1:2376`. */
  taskExec(action: string, flags: ReadonlyArray<string> = []): string {
    if (this.#parent !== undefined) return this.#parent.taskExec(action, flags)
    return ["task-exec", action, ...this.#engineFlags.map(quoted), ...flags].join(" ")
  }

  /** The command that removes what belongs to these runs, or whatever is past its deadline. */
  cleanUpCommand(runIds: Iterable<string> = []): string {
    const runs = [...new Set(runIds)].flatMap((runId) => ["--run", runId])
    return this.taskExec("gc", runs)
  }

  /** The objects that are there, or may be. */
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

  /** Calls this whenever an object or a command was added, or a command has ended, until the function that it returns is called. */
  onChanged(see: () => void): () => void {
    this.#watchers.add(see)
    return () => void this.#watchers.delete(see)
  }

  /** To be called before the object is made. */
  add(object: Belonging): void {
    this.#objects.add(object)
    this.#parent?.add(object)
    for (const see of this.#watchers) see()
  }

  /** It is gone, or was never made. */
  remove(object: Belonging): void {
    this.#objects.delete(object)
    this.#failures.delete(object)
    this.#parent?.remove(object)
  }

  /** It could not be removed: it stays in the inventory. */
  failed(object: Belonging, reason: string): void {
    this.#failures.set(object, reason)
  }

  /** It runs, or may run. */
  started(command: RunningCommand): void {
    this.#commands.add(command)
    this.#parent?.started(command)
    for (const see of this.#watchers) see()
  }

  /** It has ended, or the caller no longer waits for it. */
  ended(command: RunningCommand): void {
    this.#commands.delete(command)
    this.#parent?.ended(command)
    for (const see of this.#watchers) see()
  }

  /** Milliseconds that the next removal may take. */
  readonly removalPatience: Effect.Effect<number> = Effect.map(Clock.currentTimeMillis, (now) =>
    this.#deadline === undefined ? patience : Math.max(this.#deadline - now, leastPatience)
  )

  /** A removal that began then (Unix milliseconds) did not succeed at once: there is a limit to all of them together. */
  removalDelayed(since: number, isReachable: boolean): void {
    const limit = since + (isReachable ? patience : unreachablePatience)
    this.#deadline = Math.min(this.#deadline ?? limit, limit)
  }

  /** What could not be removed, why, and what removes it; `undefined` if there is nothing. */
  complaint(): string | undefined {
    const [reason] = this.#failures.values()
    if (reason === undefined) return undefined
    const left = [...this.#failures.keys()]
    const names = left.map(({ kind, name }) => `${kind} ${name}`).join(", ")
    const command = this.cleanUpCommand(left.map(({ runId }) => runId))
    return withHint(`cannot remove ${names}: ${reason}`, `Remove ${left.length === 1 ? "it" : "them"} with: ${command}`)
  }
}

/** The inventory that what is made is put into. The program's own unless a run has one. */
export class CurrentInventory extends Context.Reference<Inventory>("task-exec/engine/Inventory", {
  defaultValue: () => new Inventory()
}) {}
