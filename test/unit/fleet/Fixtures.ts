/** Tasks and events for the tests of fan-out output. */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import type { Piece } from "../../../adapters/fleet/Piece.ts"
import { ContainerStopped } from "../../../src/executor/ExecutorErrors.ts"
import type { FleetEvent, TaskResult } from "../../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../../src/target/ResolvedTask.ts"

/** `web.2@node-1`, `agent@node-1`. */
export const task = (label: string): ResolvedTask => {
  const [name = "", hostname = ""] = label.split("@")
  const [service = "", slot] = name.split(".")
  return {
    id: `id of ${label}`,
    name: slot === undefined ? label : name,
    service: { id: `id of ${service}`, name: service },
    ...(slot === undefined ? {} : { slot: Number(slot) }),
    node: { id: `id of ${hostname}`, hostname, state: "ready", availability: "active" },
    container: `container of ${label}`,
    policy: {}
  }
}

/** `count` tasks of `web`, each on its own node. */
export const webs = (count: number): ReadonlyArray<ResolvedTask> =>
  Array.from({ length: count }, (_, at) => task(`web.${at + 1}@node-${at + 1}`))

export const chosen = (tasks: ReadonlyArray<ResolvedTask>): FleetEvent => ({ _tag: "Chosen", tasks })

export const started = (of: ResolvedTask): FleetEvent => ({ _tag: "Started", task: of })

const bytesOf = (data: string | Uint8Array) => (typeof data === "string" ? Buffer.from(data) : data)

export const stdout = (of: ResolvedTask, data: string | Uint8Array): FleetEvent => ({
  _tag: "Stdout",
  task: of,
  data: bytesOf(data)
})

export const stderr = (of: ResolvedTask, data: string | Uint8Array): FleetEvent => ({
  _tag: "Stderr",
  task: of,
  data: bytesOf(data)
})

export const exited = (code: number): TaskResult => ({ _tag: "Exited", code })

/** An error whose message has the container in it. */
export const failed = (container: string): TaskResult => ({
  _tag: "Failed",
  error: new ContainerStopped({ container })
})

export const skipped = (reason: "failures" | "deadline" | "interrupted"): TaskResult => ({ _tag: "Skipped", reason })

export const ended = (of: ResolvedTask, result: TaskResult = exited(0)): FleetEvent => ({
  _tag: "Ended",
  task: of,
  result
})

/** All bytes of one of the streams. */
export const bytesTo = (stream: Piece["stream"], pieces: ReadonlyArray<Piece>): Buffer =>
  Buffer.concat(pieces.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes))

/** All text of one of the streams. */
export const textTo = (stream: Piece["stream"], pieces: ReadonlyArray<Piece>): string =>
  bytesTo(stream, pieces).toString()

export const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

/** Output of a command: lines, progress, multi-byte characters, and invalid UTF-8. */
export const output: Arbitrary.Arbitrary<Buffer> = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(Schema.Literals(["a", "bc", " ", "\n", "\n", "\r", "\r\n", "é", "€", "😀", "\uFEFF", "\0", "!"])),
    { maxLength: 40 }
  ),
  // Each part is a character, except for one.
  (parts) => Buffer.concat(parts.map((part) => (part === "!" ? Buffer.of(0xe2, 0x82) : Buffer.from(part))))
)

/** Cuts bytes into chunks of this size. */
export const chunksOf = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
