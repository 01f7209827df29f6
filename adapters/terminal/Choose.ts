/** A list to choose from, on the terminal that stdin and stderr are. */
import * as Effect from "effect/Effect"
import { printable } from "../Printable.ts"
import type { Screen } from "./LastLine.ts"

/** One line of the list. */
export interface Choice {
  readonly value: string
  readonly text: string
}

/** The number of choices that are shown at a time. */
const shownAtOnce = 10

/** The state of the list. */
export interface ChoiceState {
  readonly filter: string
  /** Whether keys are letters of the filter. */
  readonly isFiltering: boolean
  /** Index among the matching choices. */
  readonly at: number
}

/** The effect of a key: the new state, the chosen value, or `undefined` if the user quits. */
export type Pressed = { readonly state: ChoiceState } | { readonly value: string | undefined }

/** The state of a list before the first key. */
export const initial: ChoiceState = { filter: "", isFiltering: false, at: 0 }

const fitting = (choices: ReadonlyArray<Choice>, { filter }: ChoiceState) =>
  choices.filter(({ text }) => text.toLowerCase().includes(filter.toLowerCase()))

/** Applies a key. A terminal sends an arrow key as an escape sequence. */
export const press = (choices: ReadonlyArray<Choice>, state: ChoiceState, key: string): Pressed => {
  const found = fitting(choices, state)
  const move = (by: number): Pressed => ({
    state: { ...state, at: found.length === 0 ? 0 : (state.at + by + found.length) % found.length }
  })
  const filtered = (filter: string, isFiltering = true): Pressed => ({ state: { filter, isFiltering, at: 0 } })
  switch (key) {
    case "\u0003":
    case "\u0004":
      return { value: undefined }
    case "\u001b":
      // Alone it can be the first half of an arrow key.
      return state.isFiltering ? filtered("", false) : { state }
    case "\u001b[A":
    case "\u001bOA":
      return move(-1)
    case "\u001b[B":
    case "\u001bOB":
      return move(1)
    case "\r":
    case "\n": {
      const chosen = found[state.at]
      return chosen === undefined ? { state } : { value: chosen.value }
    }
    case "\u007f":
    case "\b":
      return state.isFiltering ? filtered(state.filter.slice(0, -1)) : { state }
    default:
      break
  }
  if (state.isFiltering) return key.length === 1 && key >= " " ? filtered(state.filter + key) : { state }
  switch (key) {
    case "/":
      return filtered("")
    case "k":
      return move(-1)
    case "j":
      return move(1)
    case "q":
      return { value: undefined }
    default:
      return { state }
  }
}

/** Returns the lines to show, narrower than the terminal. */
export const draw = (
  title: string,
  choices: ReadonlyArray<Choice>,
  state: ChoiceState,
  columns: number
): ReadonlyArray<string> => {
  const found = fitting(choices, state)
  const from = Math.max(0, Math.min(state.at - shownAtOnce + 1, found.length - shownAtOnce))
  const lines = found
    .slice(from, from + shownAtOnce)
    .map(({ text }, index) => `${from + index === state.at ? ">" : " "} ${text}`)
  const more = found.length > shownAtOnce ? ` (${found.length} in total)` : ""
  const help = state.isFiltering ? `/${state.filter}` : `arrows: move, /: filter, Enter: select, q: quit${more}`
  const shown = [title, ...(lines.length === 0 ? ["  no match"] : lines), help]
  // Some terminals wrap a line that fills the last column.
  return shown.map((line) => printable(line).slice(0, Math.max(1, columns - 1)))
}

/** Keys in a piece of input: escape sequences are one key each. */
export const keysIn = (input: string): ReadonlyArray<string> => input.match(/\u001b(?:\[|O)[A-Z]|[\s\S]/g) ?? []

/**
 * Lets the user choose. Returns the value, or `undefined` when the user leaves the list. The list is erased and the terminal is restored
 * in any case.
 */
export const choose = (
  screen: Screen,
  columns: () => number,
  title: string,
  choices: ReadonlyArray<Choice>
): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    const { stdin } = process
    let state = initial
    let height = 0
    const erase = () => {
      if (height > 0) screen.write(`\r\u001b[${height - 1}A\u001b[J`)
      height = 0
    }
    const show = () => {
      const lines = draw(title, choices, state, columns())
      erase()
      screen.write(lines.join("\r\n"))
      height = lines.length
    }
    const close = () => {
      stdin.off("data", onData).off("end", onEnd).pause()
      erase()
      stdin.setRawMode(false)
    }
    const end = (value: string | undefined) => {
      close()
      resume(Effect.succeed(value))
    }
    const onEnd = () => end(undefined)
    const onData = (chunk: Buffer) => {
      for (const key of keysIn(chunk.toString())) {
        const pressed = press(choices, state, key)
        if ("value" in pressed) return end(pressed.value)
        state = pressed.state
      }
      show()
    }
    stdin.setRawMode(true)
    stdin.on("data", onData).once("end", onEnd).resume()
    show()
    return Effect.sync(close)
  })
