/** `task-exec port-forward` as a process for tests. */
import { Agent, request } from "node:http"
import { connect, type Socket } from "node:net"
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { type ProcessOptions, type ProcessResult, program } from "./Harness.ts"

/** The ports of a process. */
export interface Forwarded {
  /** The local ports, in the order of the command line. */
  readonly ports: ReadonlyArray<number>
  /** Its first lines, one per port. */
  readonly lines: ReadonlyArray<string>
  /** Everything on stderr so far. */
  readonly said: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  /** The end of the process. */
  readonly end: Effect.Effect<ProcessResult>
}

/** Starts `task-exec port-forward` and waits until it forwards. It is killed with the scope. */
export const portForward = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  const ready = yield* Deferred.make<string>()
  let kill: Forwarded["kill"] = () => undefined
  let said = ""
  const count = args.filter((word) => /^\d*:?\d+$/.test(word)).length
  const all: ProcessOptions = {
    ...options,
    env: { DOCKER_HOST: manager.dockerHost, ...options.env },
    onStart: (how) => {
      kill = how
    },
    onOutput: (output) => {
      if (output.split("\n").length > count) Deferred.doneUnsafe(ready, Effect.succeed(output))
    },
    onError: (text) => {
      said = text
    }
  }
  const words = ["port-forward", ...args]
  const running = yield* Effect.forkScoped(program("task-exec.cjs", words, all))
  const early = Effect.flatMap(Fiber.join(running), ({ code, stderr }) =>
    Effect.die(new Error(`port-forward ended with ${code}: ${stderr}`))
  )
  const output = yield* Effect.raceFirst(Deferred.await(ready), early)
  const lines = output.trimEnd().split("\n")
  const forwarded: Forwarded = {
    lines,
    ports: lines.map((line) => Number(/:(\d+) -> /.exec(line)?.[1])),
    said: () => said,
    kill: (signal) => kill(signal),
    end: Fiber.join(running)
  }
  return forwarded
})

/** Ends the process as Ctrl-C does. */
export const interrupt = Effect.fnUntraced(function* ({ end, kill }: Forwarded) {
  kill("SIGINT")
  const { code, stderr } = yield* end
  assert.strictEqual(code, 0, stderr)
})

/** A connection that was reset or refused. */
export class Broken extends Error {
  override readonly name = "Broken"
}

/** Connects to a local port. The two directions end separately. */
export const dial = (port: number): Effect.Effect<Socket, Broken> =>
  Effect.callback((resume) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    socket.on("error", (error) => resume(Effect.fail(new Broken(error.message))))
    socket.on("connect", () => resume(Effect.succeed(socket)))
  })

/** Reads a socket to its end. */
export const readToEnd = (socket: Socket): Effect.Effect<Buffer, Broken> =>
  Effect.callback((resume) => {
    const read: Array<Buffer> = []
    socket.on("data", (data: Buffer) => read.push(data))
    socket.on("end", () => resume(Effect.succeed(Buffer.concat(read))))
    socket.on("error", (error) => resume(Effect.fail(new Broken(error.message))))
    socket.on("close", () => resume(Effect.fail(new Broken("closed before its end"))))
  })

/** Sends bytes to a local port, ends its side, and reads the answer to its end. */
export const exchange = Effect.fnUntraced(function* (port: number, data: string | Uint8Array) {
  const socket = yield* dial(port)
  socket.end(data)
  return yield* readToEnd(socket)
})

/** An HTTP request on its own connection. */
export const http = (port: number, path: string, body?: Uint8Array): Effect.Effect<Buffer, Broken> =>
  Effect.callback((resume) => {
    const asked = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method: body === undefined ? "GET" : "POST",
        agent: new Agent({ keepAlive: false })
      },
      (response) => {
        const read: Array<Buffer> = []
        response.on("data", (data: Buffer) => read.push(data))
        response.on("end", () => resume(Effect.succeed(Buffer.concat(read))))
        response.on("error", (error) => resume(Effect.fail(new Broken(error.message))))
      }
    )
    asked.on("error", (error) => resume(Effect.fail(new Broken(error.message))))
    asked.end(body)
  })
