/** A caller on a terminal. Its stderr is a file, so that it is not mixed with the output. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { nsenterArgs } from "../cluster/Machine.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { childrenOf, signal as sendSignal } from "../cluster/Processes.ts"
import { openPty } from "../integration/Pty.ts"
import { type Caller, type StartCaller, signalTo } from "./Caller.ts"
import { prompt } from "./Script.ts"

/** Starts its arguments and discards what the shell says about a signal that ended them. */
const wrapper = (errors: string): ReadonlyArray<string> => [
  "sh",
  "-c",
  `exec 2>/dev/null; "$@" 2>${errors}; exit $?`,
  "sh"
]

/** How long a caller may run, in milliseconds. A run has shorter limits. */
const longest = 900_000

/** Starts callers on a terminal whose user types a line when the command's prompt is there. */
export const onTerminal = (line: string): StartCaller =>
  Effect.fnUntraced(function* (argv, env, on) {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "task-exec-chaos-"))),
      (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
    )
    const errors = join(folder, "stderr")
    const enter = on === undefined ? [] : nsenterArgs(on.pid)
    const pty = yield* openPty([...wrapper(errors), ...enter, ...argv], { env, outputTimeout: longest })
    const ended = yield* Effect.forkScoped(pty.end)
    let wasKilled = false
    const caller: Caller = {
      pid: pty.pid,
      send: (signal) => {
        const [pid] = Effect.runSync(childrenOf(pty.pid))
        if (pid === undefined) return
        wasKilled ||= signal === "SIGKILL"
        signalTo({ pid, kill: (name) => Effect.runSync(sendSignal(pid, name)) }, on)(signal)
      },
      ended: Effect.map(Fiber.join(ended), ({ after, before, code }) => ({
        ...(wasKilled && code === 137 ? { code: null, signal: "SIGKILL" } : { code, signal: null }),
        terminal: after === before ? "restored" : "changed"
      })),
      stdout: () => Buffer.from(pty.shown(), "latin1"),
      stderr: () => readFileSync(errors, "utf8")
    }
    const isAsked = Effect.sync(() => pty.shown().includes(prompt))
    yield* pollUntil(isAsked, { every: 50, atMost: longest, orElse: Effect.never }).pipe(
      Effect.andThen(Effect.sync(() => pty.type(`${Buffer.from(line).toString("latin1")}\r`))),
      Effect.forkScoped
    )
    return caller
  })
