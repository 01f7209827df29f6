/** A block that shows commands and their output: `$` precedes a command, and `…` stands for any text in a line. */

/** A command and its output on stdout and stderr. */
export interface Shown {
  readonly command: string
  readonly output: ReadonlyArray<string>
}

/** The commands of a block, in order. */
export const commandsOf = (text: string): ReadonlyArray<Shown> => {
  const all: Array<{ command: string; readonly output: Array<string> }> = []
  /** The line that ends a here-document of the last command. */
  let until: string | undefined
  for (const line of text.split("\n")) {
    const last = all.at(-1)
    if (until !== undefined && last !== undefined) {
      last.command += `\n${line}`
      if (line === until) until = undefined
    } else if (line.startsWith("$ ")) {
      all.push({ command: line.slice(2), output: [] })
      until = /<<'?(\w+)'?/.exec(line)?.[1]
    } else last?.output.push(line)
  }
  return all
}

/** Whether the output matches the shown one. */
export const isAsShown = (output: ReadonlyArray<string>, written: string): boolean => {
  const lines = written === "" ? [] : written.replace(/\n$/, "").split("\n")
  const fits = (pattern: string, line = "") =>
    new RegExp(`^${pattern.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll("…", ".*")}$`).test(line.trimEnd())
  return lines.length === output.length && output.every((pattern, at) => fits(pattern, lines[at]))
}
