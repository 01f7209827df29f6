/** The progress of a pull: `POST /images/create` responds with a line of JSON for each step. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/**
 * The progress of a pull, in compressed bytes of the missing layers that are known so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface PullAmount {
  readonly done: number
  /** Grows when the pull of another layer starts. */
  readonly total: number
}

/** A line of the response. Engines 20.10 to 28.5 identify layers by `id`. They report an error in the last line, with HTTP status 200. */
const Line = Schema.Struct({
  status: Schema.optionalKey(Schema.String),
  id: Schema.optionalKey(Schema.String),
  progressDetail: Schema.optionalKey(
    Schema.Struct({ current: Schema.optionalKey(Schema.Finite), total: Schema.optionalKey(Schema.Finite) })
  ),
  error: Schema.optionalKey(Schema.String)
})
const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Line))

/** The steps of a layer after its download. Their amounts are uncompressed bytes or seconds, so they are ignored. */
const arrived = ["Verifying Checksum", "Download complete", "Extracting", "Pull complete"]

/** The layers of one pull. */
class Layers {
  private readonly byId = new Map<string, PullAmount>()

  /** Adds a line. Returns whether the progress has changed. */
  add({ id = "", progressDetail, status = "" }: typeof Line.Type): boolean {
    const { current, total } = progressDetail ?? {}
    if (status === "Downloading" && current !== undefined && total !== undefined) {
      this.byId.set(id, { done: Math.min(current, total), total })
      return true
    }
    const known = this.byId.get(id)
    if (known === undefined || known.done === known.total || !arrived.includes(status)) return false
    this.byId.set(id, { done: known.total, total: known.total })
    return true
  }

  get amount(): PullAmount {
    let done = 0
    let total = 0
    for (const layer of this.byId.values()) {
      done += layer.done
      total += layer.total
    }
    return { done, total }
  }
}

/** Emits the progress. Fails with `refused` if the engine reports an error, and with `invalid` on an invalid line. */
export const pullAmounts = <E, Refused, Invalid>(
  response: Stream.Stream<Uint8Array, E>,
  refused: (text: string) => Refused,
  invalid: (line: string) => Invalid
): Stream.Stream<PullAmount, E | Refused | Invalid> =>
  Stream.suspend(() => {
    const layers = new Layers()
    const read = (text: string): Effect.Effect<ReadonlyArray<PullAmount>, Refused | Invalid> => {
      if (text.trim() === "") return Effect.succeed([])
      const line = decodeLine(text)
      if (Option.isNone(line)) return Effect.fail(invalid(text))
      if (line.value.error !== undefined) return Effect.fail(refused(line.value.error))
      return Effect.succeed(layers.add(line.value) ? [layers.amount] : [])
    }
    return response.pipe(Stream.decodeText, Stream.splitLines, Stream.mapEffect(read), Stream.flattenIterable)
  })
