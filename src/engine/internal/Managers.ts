/** One client for several managers. If a manager can't be reached, it tries the next one. While the swarm has no leader, it waits. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isNotSent } from "../EngineErrors.ts"
import { summaryOf } from "../Hints.ts"
import type { EngineClient, Request, RequestFailure } from "./EngineClient.ts"

/** Whether the request may be sent to the next manager: it was not sent to this one, or it only reads. */
const mayTryNext = (error: RequestFailure, { method }: Request): boolean =>
  error._tag === "EngineUnreachable" && (method === "GET" || method === "HEAD" || isNotSent(error))

/** The wait for a leader. A swarm elects one about 10 seconds after it lost the old one. Until then, managers refuse most requests. */
const leaderSchedule = Schedule.spaced("500 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

/** Whether a manager refused a request because there is no leader (moby `daemon/cluster`, swarmkit `manager/state/raft`). */
const isLeaderless = (error: RequestFailure): boolean =>
  error._tag === "EngineError" && /does not have a leader|no elected cluster leader/i.test(error.text)

/** Repeats a request while the swarm has no leader, for at most 30 seconds. */
export const awaitLeader = <A, E extends RequestFailure, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(request, { schedule: leaderSchedule, while: isLeaderless })

/**
 * Sends requests to the managers of a swarm. Has no uploads and no hijacked connections, which belong to requests about containers: only
 * the container's engine can serve these.
 */
export interface ManagersClient extends Omit<EngineClient, "head" | "hijack" | "upload"> {
  /** The client of the manager that responded last. */
  readonly current: () => EngineClient
}

/** Returns a client for these managers. It first tries the manager that responded last. */
export const overManagers = (clients: readonly [EngineClient, ...ReadonlyArray<EngineClient>]): ManagersClient => {
  let current = clients[0]
  const after = (client: EngineClient): EngineClient =>
    clients[(clients.indexOf(client) + 1) % clients.length] ?? clients[0]

  const send = <A, R>(
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
          (error) => left > 1 && mayTryNext(error, request),
          (error) =>
            Effect.andThen(
              Effect.logDebug(`${summaryOf(error)}; trying the next manager`),
              attempt(after(client), left - 1)
            )
        )
      )
    return awaitLeader(Effect.suspend(() => attempt(current, clients.length)))
  }

  return {
    current: () => current,
    host: clients.map(({ host }) => host).join(","),
    request: (request) => send(request, (client) => client.request(request)),
    json: (schema) => {
      const decoders = new Map(clients.map((client) => [client, client.json(schema)]))
      return (request) => send(request, (client) => (decoders.get(client) ?? client.json(schema))(request))
    },
    stream: (request) => send(request, (client) => client.stream(request)),
    broken: (operation) => current.broken(operation),
    timedOut: (operation, timeout) => current.timedOut(operation, timeout)
  }
}
