/**
 * The messages between a caller and a helper that copies files, over a tunnel. The caller sends one request after the other. The bytes of
 * an archive travel between the messages: as `stdout` from the helper, as `stdin` to it.
 */
import * as Schema from "effect/Schema"
import { Hello } from "../carrier/Frame.ts"
import { EngineError, EngineUnreachable, UnexpectedReply } from "../engine/EngineErrors.ts"
import { PathStat } from "../engine/EngineSchemas.ts"
import { HelperRefused, UsernsRemapped } from "../helper/HelperErrors.ts"
import { PolicyDenied } from "../policy/PolicyDenied.ts"
import { ProtectedTarget } from "../policy/ProtectedTarget.ts"

/** A request of the caller. */
export const FilesOrder = Schema.TaggedUnion({
  /** Answered by `Stat`. */
  StatPath: { path: Schema.String },
  /** Answered by `Stat`, the archive's bytes and `Copied`. */
  GetArchive: { path: Schema.String },
  /** The archive's bytes and their end come after it; answered by `Copied`. */
  PutArchive: { path: Schema.String, copyUIDGID: Schema.Boolean }
})

/** A request of the caller. */
export type FilesOrder = typeof FilesOrder.Type

/** The reason why a helper did not serve a request. */
export const FilesRefusal = Schema.Union([
  EngineUnreachable,
  EngineError,
  UnexpectedReply,
  HelperRefused,
  UsernsRemapped,
  PolicyDenied,
  ProtectedTarget
])

/** The reason why a helper did not serve a request. */
export type FilesRefusal = typeof FilesRefusal.Type

/** The file or folder at the path. */
const Stat = Schema.TaggedStruct("Stat", { stat: PathStat })
/** The proof of a complete copy: the engine reported its end. `bytes`: the size of the archive. */
const Copied = Schema.TaggedStruct("Copied", { bytes: Schema.Int })
/** The request was not served. */
const Failed = Schema.TaggedStruct("Failed", { error: FilesRefusal })

/** A response of the helper. */
export const FilesReply = Schema.Union([Hello, Stat, Copied, Failed])

/** A response of the helper. */
export type FilesReply = typeof FilesReply.Type

/** Encodes a request as JSON. */
export const encodeFilesOrder = Schema.encodeSync(Schema.fromJsonString(FilesOrder))
/** Decodes a request. */
export const decodeFilesOrder = Schema.decodeUnknownResult(Schema.fromJsonString(FilesOrder))
/** Encodes a response as JSON. */
export const encodeFilesReply = Schema.encodeSync(Schema.fromJsonString(FilesReply))
/** Decodes a response. */
export const decodeFilesReply = Schema.decodeUnknownResult(Schema.fromJsonString(FilesReply))
