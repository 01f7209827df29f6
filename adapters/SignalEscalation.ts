/**
 * The effect of the signals that ask a program to end: the first one ends the commands, the second one kills them, the third one exits
 * at once. After a second, a message tells what the program waits for.
 */
import { constants } from "node:os"
import type { CommandKind, Inventory, RunningCommand } from "../src/engine/Inventory.ts"

/** The signals that ask a program to end. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP"

/** How long the program may take to end before a message appears, in milliseconds. */
const messageDelay = 1000
/** How long a program may take to end after its first signal, in milliseconds, in addition to its commands' grace period. */
export const endTimeout = 60_000
/** The most names in a message. */
const namesShown = 5

/** What {@link SignalEscalation} acts on. */
export interface SignalTarget {
  readonly inventory: Inventory
  /** Ends the commands. Kills them when it is called again. */
  readonly deliver: (signal: EndSignal) => void
  /** Writes a message; must not wait. */
  readonly report: (text: string) => void
  /** Ends the process. */
  readonly exit: (exitCode: number) => void
  /** Calls `act` after `millis` milliseconds. */
  readonly after: (millis: number, act: () => void) => void
}

/** Handles the signals of a program. */
export class SignalEscalation {
  readonly #target: SignalTarget
  #count = 0
  #first: EndSignal | undefined

  constructor(target: SignalTarget) {
    this.#target = target
  }

  /** The exit code that the first signal means: 130, 143 or 129. `undefined` if there was none. */
  get exitCode(): number | undefined {
    return this.#first === undefined ? undefined : 128 + constants.signals[this.#first]
  }

  /** Handles a signal. */
  receive(signal: EndSignal): void {
    const { after, deliver, inventory, report } = this.#target
    const count = ++this.#count
    if (count >= 3) {
      this.#exit(signal)
      return
    }
    if (this.#first === undefined) {
      this.#first = signal
      const grace = Math.max(0, ...[...inventory.commands].map((command) => command.grace))
      after(grace + endTimeout, () => this.#exit(signal))
    }
    deliver(signal)
    after(messageDelay, () => {
      if (this.#count === count) report(count === 1 ? first(signal, inventory) : second(signal, inventory))
    })
  }

  #exit(signal: EndSignal): void {
    const { inventory, exit, report } = this.#target
    report(third(signal, inventory))
    exit(this.exitCode ?? 128 + constants.signals[signal])
  }
}

const first = (signal: EndSignal, inventory: Inventory): string =>
  `${signal}: waiting for ${awaited(inventory)} (a second signal kills, a third one exits at once)`

const second = (signal: EndSignal, inventory: Inventory): string =>
  `${signal} again: killing, and waiting for ${awaited(inventory)} (the next signal exits at once)`

const third = (signal: EndSignal, inventory: Inventory): string => {
  const commands = commandsOf(inventory)
  const objects = objectsOf(inventory)
  const runIds = [...inventory.runIds, ...[...inventory.commands].map(({ runId }) => runId)]
  const left = [
    ...(commands === undefined ? [] : [`${commands} may still be running`]),
    ...(objects === undefined ? [] : [`${objects} may be left behind`])
  ]
  return [
    `${signal}: exiting at once`,
    ...left,
    ...(runIds.length === 0 ? [] : [`clean up with: ${inventory.cleanUpCommand(runIds)}`])
  ].join("; ")
}

const awaited = (inventory: Inventory): string => {
  const commands = commandsOf(inventory)
  if (commands !== undefined) return `${commands} to end`
  const objects = objectsOf(inventory)
  return objects === undefined ? "the engine to respond" : `the engine to remove ${objects}`
}

/** The text before the tasks of one command, and of several. */
const texts: Readonly<Record<CommandKind, { readonly one: string; readonly more: string }>> = {
  command: { one: "the command in", more: "the commands in" },
  toolbox: { one: "the command in the toolbox of", more: "the commands in the toolboxes of" },
  forwarding: { one: "the port forwarding to", more: "the port forwardings to" }
}

const commandsOf = ({ commands }: Inventory): string | undefined =>
  commands.size === 0
    ? undefined
    : Array.from(
        Map.groupBy(commands, ({ kind }) => kind),
        ([kind, some]) => textOf(kind, some)
      ).join(" and ")

const textOf = (kind: CommandKind, commands: ReadonlyArray<RunningCommand>): string =>
  `${commands.length === 1 ? texts[kind].one : texts[kind].more} ${listed(commands.map(({ where }) => where))}`

const objectsOf = ({ objects }: Inventory): string | undefined =>
  objects.size === 0 ? undefined : listed([...objects].map(({ kind, name }) => `${kind} ${name}`))

const listed = (names: ReadonlyArray<string>): string =>
  names.length <= namesShown
    ? names.join(", ")
    : `${names.slice(0, namesShown).join(", ")} and ${names.length - namesShown} more`
