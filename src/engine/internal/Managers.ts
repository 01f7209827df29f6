/**
 * One client over several managers: the first one that can be reached is asked, until it can't; and a swarm that is
 * between two leaders is waited for.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isNotSent } from "../EngineErrors.ts"
import type { EngineClient, Request, RequestFailure } from "./EngineClient.ts"

/** The next manager may be asked: the request did nothing yet, or does nothing but read. */
const mayAskNext = (error: RequestFailure, { method }: Request): boolean =>
  error._tag === "EngineUnreachable" && (method === "GET" || method === "HEAD" || isNotSent(error))

/** A new leader is found some 10 seconds after the old one went away. Until then nothing that needs one is done. */
const leaderPatience = Schedule.spaced("500 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

/** What managers say (moby `daemon/cluster`, swarmkit `manager/state/raft`). */
const leaderless = (error: RequestFailure): boolean =>
  error._tag === "EngineError" && /does not have a leader|no elected cluster leader/i.test(error.text)

/** A client over several, and the one of them that answered last. */
export interface ManagersClient extends EngineClient {
  readonly current: () => EngineClient
}

/** The client over these. The one that answered last is asked first. */
export const overManagers = (clients: readonly [EngineClient, ...ReadonlyArray<EngineClient>]): ManagersClient => {
  let current = clients[0]
  const after = (client: EngineClient): EngineClient =>
    clients[(clients.indexOf(client) + 1) % clients.length] ?? clients[0]

  const ask = <A, R>(
    request: Request,
    by: (client: EngineClient) => Effect.Effect<A, RequestFailure, R>
  ): Effect.Effect<A, RequestFailure, R> => {
    const attempt = (client: EngineClient, left: number): Effect.Effect<A, RequestFailure, R> =>
      by(client).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            current = client
          })
        ),
        Effect.catchIf(
          (error) => left > 1 && mayAskNext(error, request),
          (error) =>
            Effect.andThen(
              Effect.logDebug(`${error.message}; asking another manager`),
              attempt(after(client), left - 1)
            )
        )
      )
    return Effect.suspend(() => attempt(current, clients.length)).pipe(
      Effect.retry({ schedule: leaderPatience, while: leaderless })
    )
  }

  return {
    current: () => current,
    host: clients.map(({ host }) => host).join(","),
    request: (request) => ask(request, (client) => client.request(request)),
    json: (schema) => {
      const decoders = new Map(clients.map((client) => [client, client.json(schema)]))
      return (request) => ask(request, (client) => (decoders.get(client) ?? client.json(schema))(request))
    },
    head: (request) => ask(request, (client) => client.head(request)),
    // A body can be sent once.
    upload: (request, body) => Effect.suspend(() => current.upload(request, body)),
    stream: (request) => ask(request, (client) => client.stream(request)),
    hijack: (request) => ask(request, (client) => client.hijack(request)),
    broken: (operation) => current.broken(operation),
    noAnswer: (operation, timeout) => current.noAnswer(operation, timeout)
  }
}
