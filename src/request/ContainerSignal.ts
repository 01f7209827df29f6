/** The signals that an engine sends to a container's main process. */

/** The names of Linux signals, in the order of their numbers from 1, on the architectures of Docker (moby, `signal.SignalMap`). */
const names = [
  ...[
    "HUP",
    "INT",
    "QUIT",
    "ILL",
    "TRAP",
    "ABRT",
    "BUS",
    "FPE",
    "KILL",
    "USR1",
    "SEGV",
    "USR2",
    "PIPE",
    "ALRM",
    "TERM"
  ],
  ...["STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO"],
  ...["PWR", "SYS"]
] as const

const aliases: Readonly<Record<string, string>> = { IOT: "ABRT", CLD: "CHLD", POLL: "IO" }

/** The numbers of the first and the last real-time signal. glibc reserves the two signals before the first one. */
const realTime = { first: 34, last: 64 } as const

/** All signal names, without `SIG`. */
export const containerSignals: ReadonlyArray<string> = names

/** Parses the name of a signal, with or without `SIG` and in any case, or its number. Returns its full name, such as `SIGHUP`. */
export const containerSignal = (text: string): string | undefined => {
  if (/^\d{1,2}$/.test(text)) return nameOf(Number(text))
  const word = text.toUpperCase().replace(/^SIG/, "")
  const [, from, sign, distance = "0"] = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(word) ?? []
  if (from !== undefined) {
    if (sign !== undefined && (sign === "+") !== (from === "MIN")) return undefined
    return nameOf(from === "MIN" ? realTime.first + Number(distance) : realTime.last - Number(distance), realTime.first)
  }
  const name = aliases[word] ?? word
  return names.some((known) => known === name) ? `SIG${name}` : undefined
}

/**
 * Returns the name of a number from `least` on. Names a real-time signal by its distance from the nearer end of the range, as `kill -l`.
 */
const nameOf = (number: number, least = 1): string | undefined => {
  if (number < least) return undefined
  if (number < realTime.first) return names[number - 1] === undefined ? undefined : `SIG${names[number - 1]}`
  if (number > realTime.last) return undefined
  const after = number - realTime.first
  if (after < 16) return `SIGRTMIN${after === 0 ? "" : `+${after}`}`
  return `SIGRTMAX${number === realTime.last ? "" : `-${realTime.last - number}`}`
}
