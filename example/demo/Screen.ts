/** Prints the demo's output. Uses colors on a terminal unless NO_COLOR is set. */

import { styleText } from "node:util"
import type { Ended } from "./Program.ts"

type Style = Parameters<typeof styleText>[0]

const hasColors = process.stdout.isTTY && (process.env.NO_COLOR ?? "") === ""
const paint = (style: Style, text: string): string =>
  hasColors ? styleText(style, text, { validateStream: false }) : text

const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** Starts a part of the demo. */
export const showTitle = (text: string): void => print(`\n${paint("bold", text)}`)

/** Prints a line. */
export const showLine = (text: string): void => print(text)

/** Prints a finished step with its time. */
export const showStep = (text: string, milliseconds: number): void =>
  print(`  ${text.padEnd(48)} ${paint("dim", seconds(milliseconds).padStart(7))}`)

/** Prints a command as a user types it. */
export const showCommand = (text: string): void => print(`\n${paint("dim", "$")} ${paint("cyan", text)}`)

/** Prints the output of a command. */
export const showOutput = (text: string): void => {
  if (text !== "") print(text.trimEnd())
}

/** Prints the end of a command after `before`. `wrong` is the difference from the expected end, `note` the last output. */
export const showEnd = (
  before: string,
  { exitCode, milliseconds }: Ended,
  wrong: string | undefined,
  note = ""
): void => {
  const end = paint("dim", `exit code ${exitCode}, ${seconds(milliseconds)}`)
  print(
    `${before}${end}${note === "" ? "" : `  ${note}`}${wrong === undefined ? "" : paint("red", `  WRONG: ${wrong}`)}`
  )
}

/** Formats a duration. */
export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
