/** What an engine tells while it pulls an image: `POST /images/create`, a line of JSON for each step. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** How far an engine is with the layers that it found missing so far, in bytes as the registry sends them. */
export interface PullAmount {
  readonly done: number
  /** Grows as layers are begun. */
  readonly total: number
}

/** One line. Engines of 20.10 to 28.5 tell the layers of an image by `id`, and an error as the last line of an answer of 200. */
const Line = Schema.Struct({
  status: Schema.optionalKey(Schema.String),
  id: Schema.optionalKey(Schema.String),
  progressDetail: Schema.optionalKey(
    Schema.Struct({ current: Schema.optionalKey(Schema.Finite), total: Schema.optionalKey(Schema.Finite) })
  ),
  error: Schema.optionalKey(Schema.String)
})
const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Line))

/** What a layer goes through when all of it has come. Their own amounts are of unpacked bytes, or of seconds. */
const arrived = ["Verifying Checksum", "Download complete", "Extracting", "Pull complete"]

/** The layers of one pull. */
class Layers {
  private readonly byId = new Map<string, PullAmount>()

  /** Is it news? */
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

/** The amounts as they come. Fails where the engine tells of an error (`refused`), or says what no engine says (`strange`). */
export const pullAmounts = <E, Refused, Strange>(
  answer: Stream.Stream<Uint8Array, E>,
  refused: (text: string) => Refused,
  strange: (line: string) => Strange
): Stream.Stream<PullAmount, E | Refused | Strange> =>
  Stream.suspend(() => {
    const layers = new Layers()
    const read = (text: string): Effect.Effect<ReadonlyArray<PullAmount>, Refused | Strange> => {
      if (text.trim() === "") return Effect.succeed([])
      const line = decodeLine(text)
      if (Option.isNone(line)) return Effect.fail(strange(text))
      if (line.value.error !== undefined) return Effect.fail(refused(line.value.error))
      return Effect.succeed(layers.add(line.value) ? [layers.amount] : [])
    }
    return answer.pipe(Stream.decodeText, Stream.splitLines, Stream.mapEffect(read), Stream.flattenIterable)
  })
