import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { markedProcesses } from "../cluster/Leftovers.ts"
import { nsenterArgs } from "../cluster/Machine.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { childrenOf, signal } from "../cluster/Processes.ts"
import { execIn, type RunningTask } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, dist, stretched, taskExec, Web } from "./Harness.ts"
import { openPty, type Pty, type PtyEnd, type PtyOptions, withoutStageLine } from "./Pty.ts"

checkLeftovers()

const bundle = join(dist, "task-exec.cjs")

/** `task-exec` on a terminal. */
const atTerminal = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: PtyOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* openPty([process.execPath, bundle, ...args], {
    ...options,
    env: { DOCKER_HOST: manager.dockerHost, TERM: "xterm", ...options.env }
  })
})

/** `task-exec` on a terminal of the manager's machine, with its process ID. */
const onManager = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: PtyOptions = {}) {
  const { manager } = yield* SwarmCluster
  const pty = yield* openPty([...nsenterArgs(manager.pid), process.execPath, bundle, ...args], {
    ...options,
    env: { DOCKER_HOST: manager.dockerHost, ...options.env }
  })
  const pid = Effect.map(childrenOf(pty.pid), ([child]) => child ?? pty.pid)
  return { ...pty, kill: (name: NodeJS.Signals) => Effect.flatMap(pid, (id) => signal(id, name)) }
})

/** Shell words that wait for this terminal size: older engines set it after the command's start. */
const sized = (rows: number, columns: number) => `until [ "$(stty size 2>&-)" = "${rows} ${columns}" ]; do :; done`

const assertEnd = ({ after, before, code, shown }: PtyEnd, expected: number) => {
  assert.strictEqual(code, expected, shown)
  assert.strictEqual(after, before)
}

/** Processes of running commands. */
const marked = Effect.flatMap(SwarmCluster, markedProcesses)

const typeLine = (pty: Pty, line: string) => pty.type(`${line}\r`)

layer(Web.layer("terminal"), { excludeTestServices: true, timeout: "180 seconds" })("a terminal", (it) => {
  /** Waits until a file exists in a task's container. */
  const untilFile = (task: RunningTask, path: string) =>
    Effect.flatMap(Web, (web) =>
      pollUntil(
        Effect.map(
          execIn(web.nodeOf(task).socket, task.containerId, ["test", "-e", path]),
          (done) => done.exitCode === 0
        ),
        { atMost: 120_000, orElse: Effect.die(`${path} did not come`) }
      )
    )

  it.effect("gives a shell on another node prompt, size, keys, signals, bytes and exit code", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const pty = yield* atTerminal(["-it", web.target(web.remote)], {
        rows: 31,
        columns: 97,
        env: { TERM: "test-term" }
      })
      yield* pty.see(/# /)
      typeLine(pty, `${sized(31, 97)}; echo "size"-is-right $TERM`)
      yield* pty.see(/\nsize-is-right test-term\r\n/)

      typeLine(pty, `sh -c 'trap "stty size" WINCH; echo "re"ady; while :; do sleep 0.1; done'`)
      yield* pty.see(/\nready/)
      yield* pty.resize(40, 120)
      yield* pty.see(/40 120/)
      // Ctrl-C goes to the remote terminal, and ends only the program there.
      pty.type("\x03")
      yield* pty.see(/# /)
      typeLine(pty, "echo after-$?")
      yield* pty.see(/\nafter-130\r\n/)

      typeLine(pty, `sh -c 'echo "sl"eeps; exec sleep 1000'`)
      yield* pty.see(/\nsleeps/)
      pty.type("\x1a")
      yield* pty.see(/Stopped/)
      typeLine(pty, "kill -KILL %1; wait; echo contin''ued")
      yield* pty.see(/\ncontinued/)

      // All bytes except the detach keys' sequence and the brackets of a pasting terminal.
      const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, at) => 255 - at))
      const typed = `${bytes}\x1b[200~pasted\x10 \x1b[201~`
      typeLine(pty, `stty raw -echo; echo "ra"w; head -c ${typed.length} | od -An -v -tx1; stty sane`)
      yield* pty.see(/\nraw/)
      pty.type(typed)
      yield* pty.see(
        new RegExp(
          Buffer.from(typed, "latin1")
            .toString("hex")
            .replace(/..(?=.)/g, "$&\\s+")
        )
      )
      yield* pty.see(/# /)
      typeLine(pty, "exit 7")
      assertEnd(yield* pty.end, 7)
    }).pipe(Effect.scoped)
  )

  it.effect("shows vi, less and top on another node as docker exec does on that node, byte for byte", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const script = `${sized(24, 80)}; cd /tmp; rm -f note; vi note; seq 100 > list; less list; cat note; rm note list`
      const keys = Effect.fnUntraced(function* (pty: Pty) {
        yield* pty.see(/- note/)
        pty.type("i")
        yield* pty.see(/I note/)
        pty.type("hello")
        yield* pty.see(/hello/)
        pty.type("\x1b")
        yield* pty.see(/- note/)
        pty.type(":wq\r")
        yield* pty.see(/23\r\n[\s\S]*list/)
        pty.type(" ")
        yield* pty.see(/46\r\n\S*K:/)
        pty.type("q")
      })
      const ours = Effect.gen(function* () {
        const pty = yield* atTerminal(["-it", web.target(web.remote), "sh", "-c", `${script}; top`])
        yield* keys(pty)
        const clear = "\x1b[H\x1b[J"
        yield* pty.see(/hello\r\n/)
        const before = withoutStageLine(pty.shown())
        yield* pty.see(/COMMAND[\s\S]*top/)
        assert.isTrue(pty.shown().includes(clear))
        pty.type("q")
        assertEnd(yield* pty.end, 0)
        return before
      })
      const docker = Effect.gen(function* () {
        const argv = ["docker", "exec", "-it", web.remote.containerId, "sh", "-c", script]
        const pty = yield* openPty(argv, { env: { DOCKER_HOST: web.nodeOf(web.remote).dockerHost, TERM: "xterm" } })
        yield* keys(pty)
        return (yield* pty.end).shown
      })
      const expected = yield* docker
      assert.strictEqual(JSON.stringify((yield* ours).slice(0, expected.length)), JSON.stringify(expected))
    }).pipe(Effect.scoped)
  )

  it.effect("offers a list to choose from for a service with several tasks, and is restored", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const pty = yield* atTerminal([web.name, "sh", "-c", "echo it is $((40 + 2)) in $(hostname)"])
      yield* pty.see(/terminal has 3 running tasks. Choose one:/)
      yield* pty.see(/q: quit/)
      pty.type(`/${web.target(web.remote)}\r`)
      yield* pty.see(/it is 42 in [0-9a-f]{12}\r\n/)
      assertEnd(yield* pty.end, 0)
      const left = yield* atTerminal(["-it", web.name])
      yield* left.see(/q: quit/)
      left.type("q")
      assertEnd(yield* left.end, 130)
    }).pipe(Effect.scoped)
  )

  const goesOn = "echo up; until [ -e /tmp/go ]; do sleep 0.05; done; rm /tmp/go; echo done > /tmp/done"

  /** Lets a command continue, checks that it runs on, and then ends it. */
  const letGo = Effect.fnUntraced(function* (task: RunningTask, pty: Pty, keys: string) {
    const web = yield* Web
    const { socket } = web.nodeOf(task)
    yield* pty.see(/up\r\n/)
    pty.type(keys)
    const end = yield* pty.end
    assertEnd(end, 0)
    assert.match(end.shown, /\ntask-exec: detached: the command keeps running\r\n$/)
    assert.isNotEmpty(yield* marked)
    yield* execIn(socket, task.containerId, ["touch", "/tmp/go"])
    yield* untilFile(task, "/tmp/done")
    yield* execIn(socket, task.containerId, ["rm", "/tmp/done"])
  })

  it.effect("detaches with exit code 0 at the detach keys, while the command on another node continues", () =>
    Effect.gen(function* () {
      const web = yield* Web
      yield* letGo(web.remote, yield* atTerminal(["-it", web.target(web.remote), "sh", "-c", goesOn]), "\x10\x11")
    }).pipe(Effect.scoped)
  )

  it.effect("passes an incomplete sequence and the default keys to the command if other detach keys are set", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const args = ["-it", "--detach-keys", "ctrl-a,d", web.target(web.local), "sh", "-c"]
      const raw = "stty raw -echo; echo raw; head -c 4 | od -An -tx1; stty sane"
      const pty = yield* onManager([...args, `${raw}; ${goesOn}`])
      yield* pty.see(/raw/)
      pty.type("\x10\x11\x01e")
      yield* pty.see(/10 11 01 65/)
      pty.type("\x01")
      yield* letGo(web.local, pty, "d")
    }).pipe(Effect.scoped)
  )

  it.effect("passes the default keys to the command if there are no detach keys", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const raw = "stty raw -echo; echo raw; head -c 3 | od -An -tx1; exit 3"
      const pty = yield* onManager(["-it", "--detach-keys", "", web.target(web.local), "sh", "-c", raw])
      yield* pty.see(/raw/)
      for (const key of "\x10\x11q") pty.type(key)
      yield* pty.see(/10 11 71/)
      assertEnd(yield* pty.end, 3)
    }).pipe(Effect.scoped)
  )

  const sleep = ["sh", "-c", "echo up; exec sleep 1000"]

  /** The ways to end: flags, the action that ends the run, and the exit code. */
  const ways: Record<
    string,
    {
      readonly flags?: ReadonlyArray<string>
      readonly command?: ReadonlyArray<string>
      readonly env?: Readonly<Record<string, string>>
      readonly act?: (pty: Pty, kill: (name: NodeJS.Signals) => Effect.Effect<void>) => Effect.Effect<void>
      readonly code: number
    }
  > = {
    "a command that is not there": { command: ["foobarnone"], code: 126 },
    "Ctrl-C": { act: (pty) => Effect.sync(() => pty.type("\x03")), code: 130 },
    "the timeout": { flags: ["--timeout", `${stretched(3)}`], code: 124 },
    SIGTERM: { act: (_, kill) => kill("SIGTERM"), code: 143 },
    SIGHUP: { act: (_, kill) => kill("SIGHUP"), code: 129 },
    "a crash": {
      env: { NODE_OPTIONS: "--import=data:text/javascript,process.on('SIGUSR2',()=>{throw(Error('crash'))})" },
      act: (_, kill) => kill("SIGUSR2"),
      code: 1
    }
  }
  for (const [name, { act, code, command = sleep, env = {}, flags = [] }] of Object.entries(ways)) {
    it.effect(`the terminal is restored after ${name}`, () =>
      Effect.gen(function* () {
        const web = yield* Web
        const pty = yield* onManager([...flags, "-it", web.target(web.local), ...command], { env })
        if (command === sleep) {
          yield* pty.see(/up\r\n/)
          const settings = yield* pty.settings
          if (act !== undefined) yield* act(pty, pty.kill)
          const end = yield* pty.end
          assert.notStrictEqual(settings, end.before)
        }
        assertEnd(yield* pty.end, code)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("kills the command when its window is closed", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const pty = yield* onManager(["-it", web.target(web.local), ...sleep])
      yield* pty.see(/up\r\n/)
      pty.hangUp()
      yield* pollUntil(
        Effect.map(marked, (found) => found.length === 0),
        { atMost: 120_000, orElse: Effect.flatMap(marked, (found) => Effect.die(found.join("\n"))) }
      )
    }).pipe(Effect.scoped)
  )

  it.effect("sends lines until Ctrl-D with -i only", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const pty = yield* onManager(["-i", web.target(web.local), "sh", "-c", "echo up; sort"])
      yield* pty.see(/up\r\n/)
      pty.type("b\na\n")
      yield* pty.see(/b\r\na\r\n/)
      pty.type("\x04")
      const end = yield* pty.end
      assertEnd(end, 0)
      assert.match(end.shown, /up\r\nb\r\na\r\na\r\nb\r\n$/)
    }).pipe(Effect.scoped)
  )

  it.effect("has the window's size and reads nothing with -t only", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const args = ["-t", web.target(web.local), "sh", "-c", `${sized(30, 90)}; tty; stty size`]
      const pty = yield* onManager(args, { rows: 30, columns: 90 })
      const end = yield* pty.end
      assertEnd(end, 0)
      assert.match(withoutStageLine(end.shown), /^\/dev\/pts\/\d+\r+\n30 90\r+\n$/)
    }).pipe(Effect.scoped)
  )

  it.effect("is needed on stdin by -it: otherwise wrong usage, with a next step", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { code, stderr, stdout } = yield* taskExec(["-it", web.target(web.local), "true"])
      assert.deepStrictEqual([code, stdout.toString()], [2, ""])
      assert.match(
        stderr,
        /^task-exec: stdin is not a terminal: leave out -t when stdin is a pipe or a file\nSee 'task-exec --help'\.\n$/
      )
    })
  )
})
