/** A session with one task: the process in the task's network that connects to its ports, and the tunnel to that process. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { tapSome } from "../internal/tapSome.ts"
import { forwardProgram } from "../policy/Policy.ts"
import type { RunError, RunEvent } from "../Run.ts"
import type { CheckedRequest } from "../request/CheckedRequest.ts"
import type { Route } from "../request/Via.ts"
import { openSession, toDuplex } from "../Session.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { ForwardingEnded } from "./ForwardErrors.ts"
import { type Forwarder, openForwarder } from "./Forwarder.ts"
import type { ForwardError, ForwardRequest } from "./Forwarding.ts"

/** Runs a validated command. */
export type RunChecked = (checked: CheckedRequest) => Stream.Stream<RunEvent, RunError>

/** The time in which the process in the task's network ends after its caller has closed the session. */
const closeTimeout = "3 seconds"
/** A session with one task. */
export interface ForwardSession {
  readonly task: ResolvedTask
  readonly route: Route
  readonly forwarder: Forwarder
  /** Fails when the session has ended. */
  readonly ended: Effect.Effect<never, ForwardError>
}

/** Returns the command of a session, as policies and audit records have it. */
export const forwardCommand = ({
  ports
}: Pick<ForwardRequest, "ports">): readonly [string, ...ReadonlyArray<string>] => [
  forwardProgram,
  ...new Set(ports.map(({ remote }) => String(remote)))
]

/** Opens a session with the task of a request. Fails if the task can't be reached. */
export const openForwardSession = Effect.fnUntraced(function* (
  checked: CheckedRequest,
  command: ReadonlyArray<string>,
  run: RunChecked
): Effect.fn.Return<ForwardSession, ForwardError, Scope.Scope> {
  const started = yield* Deferred.make<{ readonly task: ResolvedTask; readonly route: Route }>()
  let resolved: (RunEvent & { readonly _tag: "Resolved" }) | undefined
  const observe = (event: RunEvent): Effect.Effect<unknown> | undefined => {
    if (event._tag === "Resolved") resolved = event
    return event._tag === "Started" && resolved !== undefined ? Deferred.succeed(started, resolved) : undefined
  }
  const session = yield* openSession({ target: checked.target.text, command }, ({ stdin = Stream.empty }) =>
    run({
      ...checked,
      toolbox: { _tag: "Forward" },
      stdin: true,
      input: { stdin, sizes: Stream.empty }
    }).pipe(tapSome(observe))
  )
  let complaint = ""
  const onStderr = (data: Uint8Array) => {
    complaint = `${complaint}${Buffer.from(data).toString()}`.slice(-1000)
  }
  const process = yield* toDuplex(session, { onStderr })
  const endedWith = (detail: string) =>
    new ForwardingEnded({
      task: resolved?.task.name ?? checked.target.text,
      node: resolved?.task.node.hostname ?? "",
      detail
    })
  const outcome = session.outcome.pipe(
    Effect.mapError((error) => endOf(error, resolved?.task)),
    Effect.flatMap((code) => {
      const [last] = complaint.trim().split("\n").slice(-1)
      return Effect.fail(endedWith(last || `the process in the task's network ended with exit code ${code}`))
    })
  )
  const { route, task } = yield* Effect.raceFirst(Deferred.await(started), outcome)
  // The forwarder gives up a process that is silent for 15 seconds. The start of the process may take longer.
  const forwarder = yield* openForwarder(process)
  // The outcome says more about a process that has ended.
  const lost = yield* forwarder.lost.pipe(
    Effect.catch(({ detail }) => Effect.delay(Effect.fail(endedWith(detail)), closeTimeout)),
    Effect.forkScoped
  )
  const ended = Effect.raceFirst(outcome, Fiber.join(lost))
  yield* Effect.addFinalizer(() =>
    Effect.andThen(forwarder.close, session.outcome).pipe(Effect.timeoutOption(closeTimeout), Effect.ignore)
  )
  return { task, route, forwarder, ended }
})

/** Returns the error of a session that has ended. A command's outcome is no matter of forwarding. */
const endOf = (error: RunError, resolved: ResolvedTask | undefined): ForwardError => {
  if (resolved === undefined) return error
  const ended = (detail: string) => new ForwardingEnded({ task: resolved.name, node: resolved.node.hostname, detail })
  switch (error._tag) {
    case "ContainerStopped":
      return ended("the task has stopped")
    case "OutcomeUnknown":
    case "ConnectionLost":
      return ended(error.detail)
    default:
      return error
  }
}
