/**
 * What a program does with the signals that ask it to end: the first one asks for the end, the second one kills, the third one leaves
 * at once. A message says what is waited for when that takes longer than a moment.
 */
import { constants } from "node:os"
import type { Inventory } from "../src/engine/Inventory.ts"

/** The signals that ask a program to end. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP"

/** How long the end may take without a message, in milliseconds. */
const quietly = 1000
/** How long a program takes at most to end after its first signal, in milliseconds, besides its commands' grace period. */
export const endPatience = 60_000
/** Names in a message at most. */
const namesShown = 5

/** What the order of signals acts on. */
export interface SignalTarget {
  readonly inventory: Inventory
  /** Asks for the end, or kills what is asked for the second time. */
  readonly deliver: (signal: EndSignal) => void
  /** Writes a message; must not wait. */
  readonly tell: (text: string) => void
  /** Ends the process. */
  readonly leave: (exitCode: number) => void
  /** Calls `act` after `millis` milliseconds. */
  readonly after: (millis: number, act: () => void) => void
}

/** One for a program. */
export class SignalOrder {
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

  /** A signal came. */
  receive(signal: EndSignal): void {
    const { after, deliver, inventory, tell } = this.#target
    const count = ++this.#count
    if (count >= 3) {
      this.#leave(signal)
      return
    }
    if (this.#first === undefined) {
      this.#first = signal
      const grace = Math.max(0, ...[...inventory.commands].map((command) => command.grace))
      after(grace + endPatience, () => this.#leave(signal))
    }
    deliver(signal)
    after(quietly, () => {
      if (this.#count === count) tell(count === 1 ? first(signal, inventory) : second(signal, inventory))
    })
  }

  #leave(signal: EndSignal): void {
    const { inventory, leave, tell } = this.#target
    tell(third(signal, inventory))
    leave(this.exitCode ?? 128 + constants.signals[signal])
  }
}

const first = (signal: EndSignal, inventory: Inventory): string =>
  `${signal}: waiting for ${awaited(inventory)}; a second one kills, a third one leaves at once`

const second = (signal: EndSignal, inventory: Inventory): string =>
  `${signal} again: killing, and waiting for ${awaited(inventory)}; the next one leaves at once`

const third = (signal: EndSignal, inventory: Inventory): string => {
  const commands = commandsOf(inventory)
  const objects = objectsOf(inventory)
  const runIds = [...inventory.runIds, ...[...inventory.commands].map(({ runId }) => runId)]
  const left = [
    ...(commands === undefined ? [] : [`${commands} may still run`]),
    ...(objects === undefined ? [] : [`${objects} may be left`])
  ]
  return [
    `${signal}: left at once`,
    ...left,
    ...(runIds.length === 0 ? [] : [`clean up with: ${inventory.cleanUpCommand(runIds)}`])
  ].join("; ")
}

const awaited = (inventory: Inventory): string => {
  const commands = commandsOf(inventory)
  if (commands !== undefined) return `the end of ${commands}`
  const objects = objectsOf(inventory)
  return objects === undefined ? "the engine" : `the removal of ${objects}`
}

const commandsOf = ({ commands }: Inventory): string | undefined =>
  commands.size === 0
    ? undefined
    : `the ${commands.size === 1 ? "command" : "commands"} in ${listed([...commands].map(({ where }) => where))}`

const objectsOf = ({ objects }: Inventory): string | undefined =>
  objects.size === 0 ? undefined : listed([...objects].map(({ kind, name }) => `${kind} ${name}`))

const listed = (names: ReadonlyArray<string>): string =>
  names.length <= namesShown
    ? names.join(", ")
    : `${names.slice(0, namesShown).join(", ")} and ${names.length - namesShown} more`
