/** What the demo shows, line by line; in colours only on a terminal whose user did not say NO_COLOR. */

import { styleText } from "node:util"

type Style = Parameters<typeof styleText>[0]

const colours = process.stdout.isTTY && (process.env.NO_COLOR ?? "") === ""
const paint = (style: Style, text: string): string =>
  colours ? styleText(style, text, { validateStream: false }) : text

/** Room for a line of output; longer ones are cut. */
const width = Math.max(60, Math.min(process.stdout.columns || 120, 160))

const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** Heads a part of the demo. */
export const showTitle = (text: string): void => print(`\n${paint("bold", text)}`)

/** A plain line. */
export const showLine = (text: string): void => print(text === "" ? "" : `  ${text}`)

/** Something that was done, and how long it took. */
export const showDone = (what: string, milliseconds: number): void =>
  print(`  ${what.padEnd(width - 12)} ${paint("dim", seconds(milliseconds).padStart(7))}`)

/** A command, as one would type it. */
export const showCommand = (text: string): void => print(`\n  ${paint("dim", "$")} ${paint("cyan", text)}`)

/** What a command wrote. */
export const showOutput = (channel: "stdout" | "stderr", bytes: Uint8Array): void => {
  const text = Buffer.from(bytes).toString()
  if (text === "") return
  const room = width - 12
  for (const line of text.replace(/\n$/, "").split("\n")) {
    print(`    ${paint("dim", channel)}  ${line.length > room ? `${line.slice(0, room - 1)}…` : line}`)
  }
}

/** How a command ended; `wrong` says how it should have. */
export const showEnd = (exitCode: number | null, milliseconds: number, wrong: string | undefined): void => {
  const end = `exit code ${exitCode} after ${seconds(milliseconds)}`
  print(
    `    ${end.padEnd(28)} ${wrong === undefined ? paint("green", "as expected") : paint("red", `WRONG: ${wrong}`)}`
  )
}

/** A length of time, for people. */
export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
