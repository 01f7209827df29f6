/**
 * The messages between a caller and a helper that copies files, over a tunnel. The caller sends one request after the other. The bytes of
 * an archive travel between the messages: as `stdout` from the helper, as `stdin` to it.
 */
import * as Schema from "effect/Schema"
import { Hello } from "../carrier/Frame.ts"
import { EngineError, EngineUnreachable, UnexpectedReply } from "../engine/EngineErrors.ts"
import { PathStat } from "../engine/EngineSchemas.ts"
import { HelperRefused, UsernsRemapped } from "../helper/HelperErrors.ts"
import { PolicyDenied, ProtectedTarget } from "../policy/PolicyErrors.ts"

/** A request of the caller. */
export const FilesRequest = Schema.TaggedUnion({
  /** The response is `Stat`. */
  StatPath: { path: Schema.String },
  /** The response is `Stat`, the archive's bytes and `Copied`. */
  GetArchive: { path: Schema.String },
  /** The archive's bytes and their end follow the request. The response is `Copied`. */
  PutArchive: { path: Schema.String, copyUIDGID: Schema.Boolean }
})

/** A request of the caller. */
export type FilesRequest = typeof FilesRequest.Type

/** The error with which a helper refuses a request. */
export const FilesRefusal = Schema.Union([
  EngineUnreachable,
  EngineError,
  UnexpectedReply,
  HelperRefused,
  UsernsRemapped,
  PolicyDenied,
  ProtectedTarget
])

/** The error with which a helper refuses a request. */
export type FilesRefusal = typeof FilesRefusal.Type

/** The file or directory at the path. */
const Stat = Schema.TaggedStruct("Stat", { stat: PathStat })
/** The proof of a complete copy: the engine reported its end. `bytes`: the size of the archive. */
const Copied = Schema.TaggedStruct("Copied", { bytes: Schema.Int })
/** The request was not served. */
const Failed = Schema.TaggedStruct("Failed", { error: FilesRefusal })

/** A response of the helper. */
export const FilesResponse = Schema.Union([Hello, Stat, Copied, Failed])

/** A response of the helper. */
export type FilesResponse = typeof FilesResponse.Type

/** Encodes a request as JSON. */
export const encodeFilesRequest = Schema.encodeSync(Schema.fromJsonString(FilesRequest))
/** Decodes a request. */
export const decodeFilesRequest = Schema.decodeUnknownResult(Schema.fromJsonString(FilesRequest))
/** Encodes a response as JSON. */
export const encodeFilesResponse = Schema.encodeSync(Schema.fromJsonString(FilesResponse))
/** Decodes a response. */
export const decodeFilesResponse = Schema.decodeUnknownResult(Schema.fromJsonString(FilesResponse))
