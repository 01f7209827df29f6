/**
 * What a caller and a helper that copies say to each other, over a tunnel. The caller asks for one thing after the other;
 * bytes of archives are between the words, as `stdout` from the helper and as `stdin` to it.
 */
import * as Schema from "effect/Schema"
import { EngineError, EngineUnreachable, UnexpectedReply } from "../engine/EngineErrors.ts"
import { PathStat } from "../engine/EngineSchemas.ts"
import { PolicyDenied } from "../policy/PolicyDenied.ts"
import { ProtectedTarget } from "../policy/ProtectedTarget.ts"
import { HelperRefused, UsernsRemapped } from "../route/HelperErrors.ts"
import { Hello } from "../wire/Frame.ts"

/** What a caller asks for. */
export const CopyOrder = Schema.TaggedUnion({
  /** Answered by `Stat`. */
  StatPath: { path: Schema.String },
  /** Answered by `Stat`, the archive's bytes and `Copied`. */
  GetArchive: { path: Schema.String },
  /** The archive's bytes and their end come after it; answered by `Copied`. */
  PutArchive: { path: Schema.String, copyUIDGID: Schema.Boolean }
})

/** What a caller asks for. */
export type CopyOrder = typeof CopyOrder.Type

/** Why a helper did not do what it was asked for. */
export const CopyRefusal = Schema.Union([
  EngineUnreachable,
  EngineError,
  UnexpectedReply,
  HelperRefused,
  UsernsRemapped,
  PolicyDenied,
  ProtectedTarget
])

/** Why a helper did not do what it was asked for. */
export type CopyRefusal = typeof CopyRefusal.Type

/** What is at the path. */
const Stat = Schema.TaggedStruct("Stat", { stat: PathStat })
/** The proof of a complete copy: the engine reported its end. `bytes`: its size. */
const Copied = Schema.TaggedStruct("Copied", { bytes: Schema.Int })
/** It was not done. */
const Failed = Schema.TaggedStruct("Failed", { error: CopyRefusal })

/** What a helper answers. */
export const CopyReply = Schema.Union([Hello, Stat, Copied, Failed])

/** What a helper answers. */
export type CopyReply = typeof CopyReply.Type

/** An order as JSON. */
export const encodeCopyOrder = Schema.encodeSync(Schema.fromJsonString(CopyOrder))
/** Reads an order. */
export const decodeCopyOrder = Schema.decodeUnknownResult(Schema.fromJsonString(CopyOrder))
/** An answer as JSON. */
export const encodeCopyReply = Schema.encodeSync(Schema.fromJsonString(CopyReply))
/** Reads an answer. */
export const decodeCopyReply = Schema.decodeUnknownResult(Schema.fromJsonString(CopyReply))
