/** A program on a terminal of util-linux's `script`, for tests that type keys and read the screen. It ends with the scope. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Readable, Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { run } from "../cluster/Command.ts"
import { watchProgram } from "../watch/Programs.ts"

/** The end of a program, and the terminal's settings. */
export interface PtyEnd {
  /** The exit code. From 128 on: 128 + the number of the signal that ended it. */
  readonly code: number
  /** `stty -g`, before and after the program. */
  readonly before: string
  readonly after: string
  /** All output to the terminal. */
  readonly shown: string
}

/** A terminal with a program. */
export interface Pty {
  /** The process ID of the program. */
  readonly pid: number
  /** All output to the terminal so far, one character per byte. */
  readonly shown: () => string
  /** Presses keys, one per character. */
  readonly type: (keys: string) => void
  /** Waits for a match in the output after the last match. Returns it. */
  readonly see: (wanted: RegExp) => Effect.Effect<RegExpExecArray>
  /** Changes the window's size. */
  readonly resize: (rows: number, columns: number) => Effect.Effect<void>
  /** The current `stty -g`. */
  readonly settings: Effect.Effect<string>
  /** Waits for the program's end. */
  readonly end: Effect.Effect<PtyEnd>
  /** Closes the terminal, as closing a window does. */
  readonly hangUp: () => void
}

/** Options of a terminal. */
export interface PtyOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Default: 24 rows, 80 columns. */
  readonly rows?: number
  readonly columns?: number
  /** Called with each chunk of output. */
  readonly onShown?: (chunk: Buffer) => void
  /** How long an output, or the program's end, may take, in milliseconds. Default: 90,000, for a busy machine. */
  readonly outputTimeout?: number
}

/** The output without task-exec's status line. Updates of the line that were not completely erased before other output remain. */
export const withoutStageLine = (shown: string): string =>
  shown.replace(/^(?:(?:\r[^\r\n\u001b]+\u001b\[K)+\r\u001b\[K)+/, "")

/** Text that grows, and waits for matches in it. */
class Growing {
  text = ""
  private from = 0
  private isOver = false
  private readonly waiting = new Set<() => void>()
  private readonly atMost: number

  /** `atMost`: how long a match may take, in milliseconds. */
  constructor(atMost: number) {
    this.atMost = atMost
  }

  add(chunk: Buffer): void {
    this.text += chunk.toString("latin1")
    for (const look of [...this.waiting]) look()
  }

  over(): void {
    this.isOver = true
    for (const look of [...this.waiting]) look()
  }

  await(wanted: RegExp): Effect.Effect<RegExpExecArray> {
    const fail = (why: string) => {
      const seen = JSON.stringify(this.text.slice(this.from).slice(-2000))
      return Effect.die(new Error(`${why} ${String(wanted)} came; what came: ${seen}`))
    }
    return Effect.callback<RegExpExecArray>((resume) => {
      const look = () => {
        const found = wanted.exec(this.text.slice(this.from))
        if (found === null && !this.isOver) return
        this.waiting.delete(look)
        if (found === null) return resume(fail("it ended before"))
        this.from += found.index + found[0].length
        resume(Effect.succeed(found))
      }
      this.waiting.add(look)
      look()
      return Effect.sync(() => this.waiting.delete(look))
    }).pipe(
      Effect.timeoutOrElse({ duration: this.atMost, orElse: () => fail(`${this.atMost / 1000} s passed before`) })
    )
  }
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** Reports on file 3 the terminal's settings, the program's process ID, and its end. */
const session = (argv: ReadonlyArray<string>, rows: number, columns: number): string => `
  trap : INT QUIT TERM HUP
  stty rows ${rows} cols ${columns}
  echo "$(tty) $(stty -g)" >&3
  sh -c 'echo $$ >&3; exec "$@" 3>&-' sh ${argv.map(quote).join(" ")}
  echo "$? $(stty -g)" >&3`

/** Starts a program on a terminal. */
export const openPty = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>,
  { columns = 80, env = {}, onShown = () => undefined, outputTimeout = 90_000, rows = 24 }: PtyOptions = {}
): Effect.fn.Return<Pty, never, Scope.Scope> {
  const shown = new Growing(outputTimeout)
  const reports = new Growing(outputTimeout)
  const { script, stdin } = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const script = spawn("script", ["-qfe", "-E", "always", "-c", session(argv, rows, columns), "/dev/null"], {
        env: { ...process.env, ...env, SHELL: "/bin/sh" },
        stdio: ["pipe", "pipe", "inherit", "pipe"]
      })
      watchProgram(argv, script)
      const [stdin, stdout, , report] = script.stdio
      if (!(stdin instanceof Writable && stdout instanceof Readable && report instanceof Readable)) {
        throw new Error("script was not given its files")
      }
      stdin.on("error", () => undefined)
      // Before the other listeners, so that a waiting test can use what onShown has received.
      stdout.on("data", onShown)
      for (const [file, text] of [
        [stdout, shown],
        [report, reports]
      ] as const) {
        file.on("data", (chunk: Buffer) => text.add(chunk))
        file.on("end", () => text.over())
      }
      return { script, stdin }
    }),
    ({ script }) =>
      Effect.promise(async () => {
        if (script.exitCode !== null || script.signalCode !== null) return
        script.kill("SIGKILL")
        // Not "close": a background process may keep the terminal open, and the test need not wait for it.
        await once(script, "exit")
      })
  )
  const [, device = "", before = ""] = yield* reports.await(/^(\S+) (\S+)\n/)
  const [, pid] = yield* reports.await(/^(\d+)\n/)
  const stty = (...args: ReadonlyArray<string>) => Effect.orDie(run("stty", ["-F", device, ...args]))
  const end = Effect.gen(function* () {
    const [, code, after = ""] = yield* reports.await(/^(\d+) (\S+)\n/)
    // Then the output in transit is shown.
    if (script.exitCode === null && script.signalCode === null) yield* Effect.promise(() => once(script, "close"))
    return { code: Number(code), before, after, shown: shown.text }
  })
  return {
    pid: Number(pid),
    shown: () => shown.text,
    type: (keys) => void stdin.write(Buffer.from(keys, "latin1")),
    see: (wanted) => shown.await(wanted),
    resize: (height, width) => Effect.asVoid(stty("rows", String(height), "cols", String(width))),
    settings: Effect.map(stty("-g"), (text) => text.trim()),
    end: yield* Effect.cached(end),
    hangUp: () => void script.kill("SIGKILL")
  }
})
