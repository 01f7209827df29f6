/** What the requests of all kinds of objects have in common. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  EngineError,
  type EngineFailure,
  NotSwarmManager,
  type SwarmFailure,
  UnexpectedReply
} from "../EngineErrors.ts"
import { UnreadObserver } from "../UnreadObserver.ts"
import type { EngineClient, Request, RequestFailure } from "./EngineClient.ts"

/** One engine, and how to ask it. */
export interface Asking {
  readonly client: EngineClient
  /** For what the engine does itself. */
  readonly engine: { readonly timeout: Duration.Duration }
  /** For what it asks of the swarm. */
  readonly swarm: { readonly timeout: Duration.Duration }
  /** The header X-Registry-Auth for an image, if it needs one. */
  readonly credentials: (image: string) => Effect.Effect<string | undefined>
  /** A node that refuses because it is no manager is asked who it is and whom it knows, for the message. */
  readonly ofSwarm: <A, R>(effect: Effect.Effect<A, SwarmFailure, R>) => Effect.Effect<A, SwarmFailure, R>
}

/** The headers of a request that makes an engine pull an image. */
export const registryHeaders = (auth: string | undefined) =>
  auth === undefined ? {} : { headers: { "X-Registry-Auth": auth } }

/** One segment of a path: what is in a name stays in the name. */
export const segment = encodeURIComponent

/**
 * The objects of a list. One that can't be read is left out, so that the others stay usable: it is told to the
 * {@link UnreadObserver} and in a debug line.
 */
export const list = <A, I>(client: EngineClient, schema: Schema.Codec<A, I>) => {
  // Go writes an empty list as `null` where nobody made one.
  const objects = client.json(Schema.NullOr(Schema.Array(Schema.Unknown)))
  const decode = Schema.decodeUnknownResult(schema)
  return (request: Request): Effect.Effect<ReadonlyArray<A>, RequestFailure> =>
    Effect.flatMap(objects(request), (found) => {
      const read: Array<A> = []
      const unread: Array<UnexpectedReply> = []
      for (const object of found ?? []) {
        const result = decode(object)
        if (Result.isSuccess(result)) read.push(result.success)
        else {
          const detail = describeUnread(object, result.failure)
          unread.push(new UnexpectedReply({ host: client.host, operation: request.operation, detail }))
        }
      }
      return Effect.as(Effect.forEach(unread, tellUnread, { discard: true }), read)
    })
}

const tellUnread = (error: UnexpectedReply) =>
  Effect.andThen(
    Effect.logDebug(`left out: ${error.message}`),
    Effect.map(UnreadObserver, (tell) => tell(error))
  )

const hasId = Schema.is(Schema.Union([Schema.Struct({ ID: Schema.String }), Schema.Struct({ Id: Schema.String })]))

const describeUnread = (object: unknown, { message }: Schema.SchemaError): string => {
  const id = hasId(object) ? `${"ID" in object ? object.ID : object.Id}: ` : ""
  return `${id}${message}`.replace(/\s+/g, " ").slice(0, 300)
}

/** Questions to the engine alone are not refused for want of a swarm; should one be, its text is all there is to say. */
export const ofEngine = <A, R>(effect: Effect.Effect<A, SwarmFailure, R>): Effect.Effect<A, EngineFailure, R> =>
  Effect.catchTag(effect, "NotSwarmManager", refused)

/** The same for a request whose content has errors of its own. */
export const ofEngineWith =
  <E>() =>
  <A, R>(effect: Effect.Effect<A, SwarmFailure | E, R>): Effect.Effect<A, EngineFailure | E, R> =>
    Effect.catchIf(effect, (error) => error instanceof NotSwarmManager, refused)

const refused = ({ host, message, operation }: NotSwarmManager) =>
  Effect.fail(new EngineError({ host, operation, status: 503, text: message }))
