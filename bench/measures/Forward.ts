/** `forward`: a port of a task on another node, forwarded by task-exec and by `ssh -L`. */
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { get } from "../../test/cluster/EngineApi.ts"
import { runGroup } from "../../test/cluster/ProcessGroup.ts"
import { type Comparison, compare } from "../Comparison.ts"
import { type Bench, dockerExec, halved, taskExec } from "../Contenders.ts"
import { inTurns, runTimeout, WrongResult } from "../Measure.ts"
import { quantile } from "../Statistics.ts"

/** The ports in the task: an echo server, and a file over HTTP. */
const echoPort = 7001
const filePort = 7002

/** Round trips that do not count, and those that count after them. */
const warmUpTrips = 20
const trips = 200

/** The measurements of one session. Seconds. */
interface Session {
  /** From the start of the program to the first answer over the port. */
  readonly ready: number
  /** Round trips of one byte over an open connection. */
  readonly trips: ReadonlyArray<number>
  /** The transfer of the whole file. */
  readonly transfer: number
}

/** A program that forwards both ports. */
interface Forwarder {
  readonly name: string
  /** Returns its command line. `echo` and `file` are free local ports. */
  readonly argv: (echo: number, file: number) => ReadonlyArray<string>
}

const now = (): number => Number(process.hrtime.bigint()) / 1e9

/** Returns a free port. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Runs the program until the scope closes. */
const running = ([command = "", ...args]: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(command, args, { env, stdio: "ignore" })),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGINT")
      })
  )

const dial = (port: number): Effect.Effect<Socket | undefined> =>
  Effect.callback((resume) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true })
    socket.once("error", () => resume(Effect.succeed(undefined)))
    socket.once("connect", () => {
      // Nothing listens yet, and the kernel chose the port itself as the local port: TCP then connects the socket to itself.
      const isOwn = socket.localPort === socket.remotePort
      if (isOwn) socket.destroy()
      resume(Effect.succeed(isOwn ? undefined : socket))
    })
  })

/** Sends one byte and waits for it. Returns whether it came back. */
const trip = (socket: Socket): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const settle = (isBack: boolean) => {
      socket.off("data", onData).off("close", onClose)
      resume(Effect.succeed(isBack))
    }
    const onData = () => settle(true)
    const onClose = () => settle(false)
    socket.on("data", onData).on("close", onClose)
    socket.write("x")
  })

/** Connects again until the port answers. */
const firstAnswer = Effect.fnUntraced(function* (port: number) {
  while (true) {
    const socket = yield* dial(port)
    if (socket !== undefined && (yield* trip(socket))) return socket
    yield* Effect.sleep(5)
  }
})

/** Reads the file over HTTP. Returns the bytes of the whole response. */
const download = Effect.fnUntraced(function* (port: number) {
  const socket = yield* dial(port)
  if (socket === undefined) return 0
  return yield* Effect.callback<number>((resume) => {
    let bytes = 0
    socket.on("data", (data: Buffer) => {
      bytes += data.length
    })
    socket.on("close", () => resume(Effect.succeed(bytes)))
    socket.write("GET /random HTTP/1.0\r\n\r\n")
  })
})

const session = Effect.fnUntraced(
  function* ({ argv, name }: Forwarder, env: Readonly<Record<string, string>>, bytes: number) {
    const [echo, file] = [yield* freePort, yield* freePort]
    const begun = now()
    yield* running(argv(echo, file), env)
    const socket = yield* firstAnswer(echo)
    const ready = now() - begun
    const taken: Array<number> = []
    for (let n = 0; n < warmUpTrips + trips; n++) {
      const sent = now()
      if (!(yield* trip(socket))) return yield* new WrongResult({ command: name, detail: "the connection broke" })
      if (n >= warmUpTrips) taken.push(now() - sent)
    }
    socket.destroy()
    const started = now()
    const got = yield* download(file)
    // The response has a head.
    if (got <= bytes) return yield* new WrongResult({ command: name, detail: `${got} bytes of ${bytes}` })
    const measured: Session = { ready, trips: taken, transfer: now() - started }
    return measured
  },
  Effect.scoped,
  (measuring, { name }) =>
    Effect.timeoutOrElse(measuring, {
      duration: runTimeout,
      orElse: () => Effect.fail(new WrongResult({ command: name, detail: `not done after ${runTimeout / 1000} s` }))
    })
)

const Inspected = Schema.Struct({
  NetworkSettings: Schema.Struct({
    Networks: Schema.Record(Schema.String, Schema.Struct({ IPAddress: Schema.String }))
  })
})

/** Starts the servers in the task, with a file of random bytes. */
const serve = Effect.fnUntraced(function* ({ options, stage }: Bench, bytes: number) {
  const { remote } = stage
  const { dir, env } = options
  const input = join(dir, "random")
  yield* Effect.promise(() => writeFile(input, randomBytes(bytes)))
  const put = dockerExec("", remote.node.dockerHost, remote, ["sh", "-c", "mkdir -p /srv; cat >/srv/random"], ["-i"])
  yield* runGroup(["sh", "-c", 'exec "$@" <"$0"', input, ...put.argv], { env, timeout: runTimeout })
  const start = `httpd -p ${filePort} -h /srv; exec nc -ll -p ${echoPort} -e cat`
  const started = dockerExec("", remote.node.dockerHost, remote, ["sh", "-c", start], ["-d"])
  yield* runGroup(started.argv, { env, timeout: runTimeout })
  const { NetworkSettings } = yield* get(remote.node.socket, `/containers/${remote.container}/json`, Inspected)
  return Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? ""
})

/** Forwards the same ports by each program in turn. */
export const forward = Effect.fn("Measure.forward")(function* (bench: Bench) {
  const { megabytes, ssh, stage } = bench
  const { env, runs } = halved(bench.options)
  const bytes = megabytes * 1_000_000
  const address = yield* serve(bench, bytes)
  const { target } = stage.remote
  const forwarders: ReadonlyArray<Forwarder> = [
    {
      name: `task-exec port-forward ${target}`,
      argv: (echo, file) => taskExec("port-forward", target, `${echo}:${echoPort}`, `${file}:${filePort}`).argv
    },
    {
      name: "ssh -L, to the node",
      argv: (echo, file) => [
        join(ssh.bin, "ssh"),
        "-N",
        "-L",
        `${echo}:${address}:${echoPort}`,
        "-L",
        `${file}:${address}:${filePort}`,
        ssh.cold.replace("ssh://", "")
      ]
    }
  ]
  yield* Console.error(`measuring forwarded ports: ${forwarders.length} programs, 1 + ${runs} times each`)
  const taken = yield* inTurns(
    forwarders.map((one) => session(one, env, bytes)),
    runs
  )
  const figures: ReadonlyArray<{
    readonly title: string
    readonly of: (one: Session) => number
    readonly moved?: number
  }> = [
    { title: "From the command line to the first answer over a forwarded port", of: ({ ready }) => ready },
    { title: "Round trip of a byte over a forwarded port: median", of: ({ trips }) => quantile(trips, 0.5) },
    {
      title: `${megabytes} MB of random bytes over a forwarded port`,
      of: ({ transfer }) => transfer,
      moved: bytes
    }
  ]
  return figures.flatMap(({ moved, of, title }): ReadonlyArray<Comparison> => {
    const [ours, ...others] = forwarders.map(({ name }, at) => ({ name, samples: (taken[at] ?? []).map(of) }))
    const about = { measure: "forward", title, unit: "seconds" as const, ...(moved === undefined ? {} : { moved }) }
    return ours === undefined ? [] : [compare(about, ours, others)]
  })
})
