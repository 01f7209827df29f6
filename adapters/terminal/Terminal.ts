/** The terminal of this process. It is in raw mode while a command uses it, and is restored afterwards. */

import { spawnSync } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { isatty, WriteStream } from "node:tty"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { fromReadable } from "../../src/engine/fromReadable.ts"
import type { TerminalSize } from "../../src/executor/ExecSpec.ts"
import { UsageError } from "../command/Usage.ts"

/** The properties of this process's terminal for a command's terminal. */
export interface Terminal {
  readonly size: TerminalSize
  /** The size whenever it changes. */
  readonly sizes: Stream.Stream<TerminalSize>
  /** Variables with the terminal's type. */
  readonly env: Readonly<Record<string, string>>
}

/** The size that is used without a terminal. */
export const defaultSize: TerminalSize = { rows: 24, columns: 80 }

/**
 * Opens this process's terminal. With `input`, makes the terminal on stdin raw until the scope closes: every key goes to the command,
 * Ctrl-C too. Fails if stdin is not a terminal.
 */
export const openTerminal = Effect.fnUntraced(function* (options: {
  readonly input: boolean
}): Effect.fn.Return<Terminal, UsageError, Scope.Scope> {
  if (options.input && !isatty(0)) {
    return yield* new UsageError({ detail: "stdin is not a terminal: leave out -t when stdin is a pipe or a file" })
  }
  if (options.input) yield* rawMode
  const changes = yield* Queue.sliding<TerminalSize>(1)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const onChange = () => void Queue.offerUnsafe(changes, measure())
      process.on("SIGWINCH", onChange)
      return onChange
    }),
    (onChange) => Effect.sync(() => process.off("SIGWINCH", onChange))
  )
  const term = process.env.TERM
  return {
    size: measure(),
    sizes: Stream.fromQueue(changes),
    env: term === undefined || term === "" ? {} : { TERM: term }
  }
})

/** Returns the size of the terminal on stdin, stdout or stderr. */
const measure = (): TerminalSize => {
  // A separate file, so that closing it leaves stdout open. A stream would keep the size from its creation.
  const fd = [0, 1, 2].some((own) => isatty(own)) ? openTty() : undefined
  if (fd === undefined) return defaultSize
  const screen = new WriteStream(fd)
  const { columns, rows } = screen
  screen.destroy()
  return rows > 0 && columns > 0 ? { rows, columns } : defaultSize
}

/** Opens the controlling terminal. A process may have none. */
const openTty = (): number | undefined => {
  try {
    const fd = openSync("/dev/tty", "r+")
    if (isatty(fd)) return fd
    closeSync(fd)
    return undefined
  } catch {
    return undefined
  }
}

/**
 * Sets raw mode. Node's raw mode leaves one setting on, which turns a line feed into a carriage return and a line feed. The command's own
 * terminal does that already, and full-screen programs need plain line feeds, so `stty` turns the setting off. Node restores the original
 * settings at every end of the process, also by a signal.
 */
const rawMode: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    process.stdin.setRawMode(true)
    spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"], timeout: 2000 })
  }),
  () => Effect.sync(() => void process.stdin.setRawMode(false))
)

/** The bytes on stdin. An error ends the stream. stdin stays open, so that the terminal's mode can be restored. */
export const standardInput: Stream.Stream<Uint8Array> = Stream.unwrap(
  Effect.suspend(() =>
    Effect.map(
      fromReadable(process.stdin, (cause) => cause, { borrowed: true }),
      (stdin) => Stream.catch(stdin, () => Stream.empty)
    )
  )
)
