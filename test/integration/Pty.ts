/**
 * A program at a terminal: that of util-linux' `script`, on which a test types and looks as a person does. It goes away
 * with the scope.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Readable, Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { run } from "../cluster/Command.ts"
import { watchProgram } from "../watch/Programs.ts"

/** How a program ended, and how it left the terminal. */
export interface PtyEnd {
  /** The exit code; 128 and more: the number of the signal that ended it. */
  readonly code: number
  /** `stty -g`, before and after. */
  readonly before: string
  readonly after: string
  /** All that the terminal was given to show. */
  readonly shown: string
}

/** A terminal with a program on it. */
export interface Pty {
  /** What was started. */
  readonly pid: number
  /** All that the terminal was given to show so far, a character for each byte. */
  readonly shown: () => string
  /** Presses keys: a character for each byte. */
  readonly type: (keys: string) => void
  /** Waits until it shows that, and gives the match; looks at what came after the last match only. */
  readonly see: (wanted: RegExp) => Effect.Effect<RegExpExecArray>
  /** Changes the window's size. */
  readonly resize: (rows: number, columns: number) => Effect.Effect<void>
  /** `stty -g` at this moment. */
  readonly settings: Effect.Effect<string>
  /** Waits for the program's end. */
  readonly end: Effect.Effect<PtyEnd>
  /** The terminal goes away, as when a window is closed. */
  readonly hangUp: () => void
}

/** How a terminal is to be. */
export interface PtyOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** 24 and 80 unless told. */
  readonly rows?: number
  readonly columns?: number
  /** Called with what the terminal is given to show, as it comes. */
  readonly onShown?: (chunk: Buffer) => void
}

/**
 * What was shown but for task-exec's line that tells the stage. That has to be all cleared before anything else is shown:
 * where it is not, it is still in here.
 */
export const withoutStageLine = (shown: string): string =>
  shown.replace(/^(?:(?:\r[^\r\n\u001b]+\u001b\[K)+\r\u001b\[K)+/, "")

/** How long something may take to be seen, in milliseconds: others may keep the machine busy. */
const patience = 90_000

/** Text that grows, and those who wait for something in it. */
class Growing {
  text = ""
  private from = 0
  private isOver = false
  private readonly waiting = new Set<() => void>()

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
    }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => fail(`${patience / 1000} s passed before`) }))
  }
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** Tells on file 3 how the terminal is, which process the program is, and how it ended. */
const session = (argv: ReadonlyArray<string>, rows: number, columns: number): string => `
  trap : INT QUIT TERM HUP
  stty rows ${rows} cols ${columns}
  echo "$(tty) $(stty -g)" >&3
  sh -c 'echo $$ >&3; exec "$@" 3>&-' sh ${argv.map(quote).join(" ")}
  echo "$? $(stty -g)" >&3`

/** Starts a program at a terminal. */
export const openPty = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>,
  { columns = 80, env = {}, onShown = () => undefined, rows = 24 }: PtyOptions = {}
): Effect.fn.Return<Pty, never, Scope.Scope> {
  const shown = new Growing()
  const reports = new Growing()
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
      // First: what waits for the text may look at what onShown has got.
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
        // Not "close": what runs in it may go on for a while, and what the test has to say is not to wait for that.
        await once(script, "exit")
      })
  )
  const [, device = "", before = ""] = yield* reports.await(/^(\S+) (\S+)\n/)
  const [, pid] = yield* reports.await(/^(\d+)\n/)
  const stty = (...args: ReadonlyArray<string>) => Effect.orDie(run("stty", ["-F", device, ...args]))
  const end = Effect.gen(function* () {
    const [, code, after = ""] = yield* reports.await(/^(\d+) (\S+)\n/)
    // What was on its way is shown then.
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
