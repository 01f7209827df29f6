/** The code that the requests about all kinds of objects share. */
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
import type { ManagersClient } from "./Managers.ts"

/** Options of the requests to an engine. */
export interface RequestOptions {
  /** Timeout of a request that the engine handles without the swarm. */
  readonly engine: { readonly timeout: Duration.Duration }
  /** Returns the header X-Registry-Auth for an image; `undefined` without a login to its registry. */
  readonly credentials: (image: string) => Effect.Effect<string | undefined>
}

/** A client of one engine, with the options of its requests. */
export interface EngineRequestContext extends RequestOptions {
  readonly client: EngineClient
}

/** A client of a swarm's managers, with the options of its requests. */
export interface SwarmRequestContext extends RequestOptions {
  readonly client: ManagersClient
  /** Timeout of a request about the swarm, which may need other managers. */
  readonly swarm: { readonly timeout: Duration.Duration }
  /** Adds to `NotSwarmManager` the name of the node and the managers that it knows. */
  readonly ofSwarm: <A, R>(effect: Effect.Effect<A, SwarmFailure, R>) => Effect.Effect<A, SwarmFailure, R>
}

/** The headers of a request that makes an engine pull an image. */
export const registryHeaders = (auth: string | undefined) =>
  auth === undefined ? {} : { headers: { "X-Registry-Auth": auth } }

/** Encodes a name as one segment of a path. */
export const segment = encodeURIComponent

/**
 * Requests a list of objects. Skips objects that can't be decoded, so that the others stay usable, and reports them to the
 * {@link UnreadObserver} and in the debug log.
 */
export const list = <A, I>(client: Pick<EngineClient, "host" | "json">, schema: Schema.Codec<A, I>) => {
  // Go encodes a list that was never created as `null`.
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
      return Effect.as(Effect.forEach(unread, reportUnread, { discard: true }), read)
    })
}

const reportUnread = (error: UnexpectedReply) =>
  Effect.andThen(
    Effect.logDebug(`skipped an object: ${error.message}`),
    Effect.map(UnreadObserver, (observe) => observe(error))
  )

const hasId = Schema.is(Schema.Union([Schema.Struct({ ID: Schema.String }), Schema.Struct({ Id: Schema.String })]))

const describeUnread = (object: unknown, { message }: Schema.SchemaError): string => {
  const id = hasId(object) ? `${"ID" in object ? object.ID : object.Id}: ` : ""
  return `${id}${message}`.replace(/\s+/g, " ").slice(0, 300)
}

/** Converts `NotSwarmManager` to `EngineError`, because a request that concerns one engine does not expect it. */
export const ofEngine = <A, R>(effect: Effect.Effect<A, SwarmFailure, R>): Effect.Effect<A, EngineFailure, R> =>
  Effect.catchTag(effect, "NotSwarmManager", refused)

/** {@link ofEngine} for a request whose body can fail with errors of its own. */
export const ofEngineWith =
  <E>() =>
  <A, R>(effect: Effect.Effect<A, SwarmFailure | E, R>): Effect.Effect<A, EngineFailure | E, R> =>
    Effect.catchIf(effect, (error) => error instanceof NotSwarmManager, refused)

const refused = ({ host, operation, summary }: NotSwarmManager) =>
  Effect.fail(new EngineError({ host, operation, status: 503, text: summary }))
