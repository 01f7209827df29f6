/** The errors of a wait for services. */
import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"

/** The most details of one service in a message. */
const maxShown = 3

const shorten = (texts: ReadonlyArray<string>): string =>
  texts.length > maxShown
    ? `${texts.slice(0, maxShown).join("; ")}; and ${texts.length - maxShown} more`
    : texts.join("; ")

/**
 * A service that won't converge by itself: its update was paused or rolled back, or Swarm has given up its tasks.
 *
 * @category errors
 * @since 0.2.0
 */
export class ServiceNotConverged extends Schema.TaggedError<ServiceNotConverged>()("ServiceNotConverged", {
  /** The service's name. */
  service: Schema.String,
  /** The reason, in Swarm's words. */
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `service ${this.service} did not converge: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return `Run "task-exec ls ${this.service}" to list its tasks.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The timeout was reached before all services had converged.
 *
 * @category errors
 * @since 0.2.0
 */
export class ConvergeTimedOut extends Schema.TaggedError<ConvergeTimedOut>()("ConvergeTimedOut", {
  /** Milliseconds. */
  after: Schema.Finite,
  /** The services that have not converged. Empty if no manager responded. */
  services: Schema.Array(
    Schema.Struct({
      service: Schema.String,
      wanted: Schema.Int,
      ready: Schema.Int,
      waitingFor: Schema.Array(Schema.String)
    })
  )
}) {
  override get message(): string {
    const states = this.services.map(
      ({ ready, service, waitingFor, wanted }) =>
        `service ${service} has ${ready} of ${wanted} tasks ready (${shorten(waitingFor)})`
    )
    return `timed out after ${this.after / 1000} s: ${states.length === 0 ? "no manager responded" : states.join(", ")}`
  }
}
