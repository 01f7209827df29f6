/** What the requests of all kinds of objects have in common. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EngineError, type EngineFailure, NotSwarmManager, type SwarmFailure } from "../EngineErrors.ts"
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

/** Go writes an empty list as `null` where nobody made one. */
export const list = <A, I>(client: EngineClient, schema: Schema.Codec<A, I>) => {
  const decoded = client.json(Schema.NullOr(Schema.Array(schema)))
  return (request: Request): Effect.Effect<ReadonlyArray<A>, RequestFailure> =>
    Effect.map(decoded(request), (items) => items ?? [])
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
