/**
 * What a caller and a helper that copies say to each other, over a tunnel. The caller asks for one thing after the other;
 * bytes of archives are between the words, as `stdout` from the helper and as `stdin` to it.
 */
import * as Schema from "effect/Schema"
import { Hello } from "../carrier/Frame.ts"
import { EngineError, EngineUnreachable, UnexpectedReply } from "../engine/EngineErrors.ts"
import { PathStat } from "../engine/EngineSchemas.ts"
import { HelperRefused, UsernsRemapped } from "../helper/HelperErrors.ts"
import { PolicyDenied } from "../policy/PolicyDenied.ts"
import { ProtectedTarget } from "../policy/ProtectedTarget.ts"

/** What a caller asks for. */
export const FilesOrder = Schema.TaggedUnion({
  /** Answered by `Stat`. */
  StatPath: { path: Schema.String },
  /** Answered by `Stat`, the archive's bytes and `Copied`. */
  GetArchive: { path: Schema.String },
  /** The archive's bytes and their end come after it; answered by `Copied`. */
  PutArchive: { path: Schema.String, copyUIDGID: Schema.Boolean }
})

/** What a caller asks for. */
export type FilesOrder = typeof FilesOrder.Type

/** Why a helper did not do what it was asked for. */
export const FilesRefusal = Schema.Union([
  EngineUnreachable,
  EngineError,
  UnexpectedReply,
  HelperRefused,
  UsernsRemapped,
  PolicyDenied,
  ProtectedTarget
])

/** Why a helper did not do what it was asked for. */
export type FilesRefusal = typeof FilesRefusal.Type

/** What is at the path. */
const Stat = Schema.TaggedStruct("Stat", { stat: PathStat })
/** The proof of a complete copy: the engine reported its end. `bytes`: its size. */
const Copied = Schema.TaggedStruct("Copied", { bytes: Schema.Int })
/** It was not done. */
const Failed = Schema.TaggedStruct("Failed", { error: FilesRefusal })

/** What a helper answers. */
export const FilesReply = Schema.Union([Hello, Stat, Copied, Failed])

/** What a helper answers. */
export type FilesReply = typeof FilesReply.Type

/** An order as JSON. */
export const encodeFilesOrder = Schema.encodeSync(Schema.fromJsonString(FilesOrder))
/** Reads an order. */
export const decodeFilesOrder = Schema.decodeUnknownResult(Schema.fromJsonString(FilesOrder))
/** An answer as JSON. */
export const encodeFilesReply = Schema.encodeSync(Schema.fromJsonString(FilesReply))
/** Reads an answer. */
export const decodeFilesReply = Schema.decodeUnknownResult(Schema.fromJsonString(FilesReply))
