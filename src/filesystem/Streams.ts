/** Reads and writes files as streams and sinks. */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { collectLimit } from "../Run.ts"
import { bytesOf } from "./Archive.ts"
import type { Connections } from "./Connections.ts"
import { invalid, refusal } from "./FileErrors.ts"
import { findFile } from "./FindFile.ts"

/** Reads a part of a file. */
export const streamOver =
  ({ read }: Connections): FileSystem["stream"] =>
  (path, { bytesToRead, chunkSize = 64 * 1024, offset } = {}) => {
    const operation = { method: "stream", path }
    if (!Number.isInteger(chunkSize) || chunkSize < 1)
      return Stream.fail(invalid("stream", "chunkSize must be a positive integer"))
    const start = offset === undefined ? 0n : ByteSize.toBigInt(ByteSize.fromInputUnsafe(offset))
    const length = bytesToRead === undefined ? undefined : ByteSize.toBigInt(ByteSize.fromInputUnsafe(bytesToRead))
    return read(operation, (files) =>
      Effect.flatMap(findFile(files, operation), (found) => bytesOf(files, found.path))
    ).pipe(part(Number(start), length === undefined ? undefined : Number(length), chunkSize))
  }

/** Emits `length` bytes from `start` on, in chunks of at most `size` bytes. */
const part =
  (start: number, length: number | undefined, size: number) =>
  <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> => {
    return Stream.suspend(() => {
      let skip = start
      let left = length ?? Number.POSITIVE_INFINITY
      return bytes.pipe(
        Stream.map((chunk) => {
          const wanted = chunk.subarray(skip, skip + left)
          skip = Math.max(0, skip - chunk.length)
          left -= wanted.length
          return { wanted, isLast: left <= 0 }
        }),
        Stream.takeUntil(({ isLast }) => isLast),
        Stream.map(({ wanted }) =>
          Array.from({ length: Math.ceil(wanted.length / size) }, (_, at) =>
            wanted.subarray(at * size, (at + 1) * size)
          )
        ),
        Stream.flattenIterable
      )
    })
  }

/** Collects all bytes before it writes the file, because an archive needs the size of a file before its bytes. */
export const sinkOver =
  (writeFile: FileSystem["writeFile"]): FileSystem["sink"] =>
  (path, options) =>
    Sink.suspend(() => {
      const all: Array<Uint8Array> = []
      let bytes = 0
      const tooLarge = refusal(
        { method: "sink", path },
        "Unknown",
        `a sink takes at most ${collectLimit} bytes: use copyTo`
      )
      return Sink.forEachArray((chunks: ReadonlyArray<Uint8Array>) => {
        for (const chunk of chunks) bytes += chunk.length
        all.push(...chunks)
        return bytes > collectLimit ? Effect.fail(tooLarge) : Effect.void
      }).pipe(Sink.mapEffect((): Effect.Effect<void, PlatformError> => writeFile(path, Buffer.concat(all), options)))
    })
