/** What can go wrong with a command on its node. All of these cross the wire, so they are schemas. */
import * as Schema from "effect/Schema"
import { EngineError, EngineUnreachable, UnexpectedReply } from "../engine/EngineErrors.ts"
import { PolicyDenied } from "../policy/PolicyDenied.ts"
import { ProtectedTarget } from "../policy/ProtectedTarget.ts"

/** The first word of the command is no program in the container. Engines say 126 (20.10) or 127 (28.5); we say 126. */
export class CommandNotFound extends Schema.TaggedError<CommandNotFound>()("CommandNotFound", {
  command: Schema.String,
  /** The engine's own words. */
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.command}: command not found in the container`
  }
}

/** The command could not be started for another reason: not executable, no such working directory, … */
export class CommandNotStarted extends Schema.TaggedError<CommandNotStarted>()("CommandNotStarted", {
  command: Schema.String,
  /** The engine's own words. */
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.command}: could not be started (the engine says: ${this.detail})`
  }
}

/** The container is not there, or is not running, or is paused: nothing was started. */
export class ContainerNotRunning extends Schema.TaggedError<ContainerNotRunning>()("ContainerNotRunning", {
  container: Schema.String,
  /** The engine's own words. */
  detail: Schema.String
}) {
  override get message(): string {
    return `container ${this.container.slice(0, 12)} can't run a command: ${this.detail}`
  }
}

/** The container ended while the command ran, and the command with it. */
export class ContainerStopped extends Schema.TaggedError<ContainerStopped>()("ContainerStopped", {
  container: Schema.String
}) {
  override get message(): string {
    return `container ${this.container.slice(0, 12)} stopped while the command ran; the command did not finish`
  }
}

/** What became of a command that was to be ended. */
export const Ending = Schema.Union([
  /** Nothing with the run's mark is alive on the node. */
  Schema.TaggedStruct("Killed", {}),
  /** These processes of the run were still alive after KILL (host PIDs). */
  Schema.TaggedStruct("Alive", { pids: Schema.Array(Schema.Int) }),
  /** It could not be tried, or not be confirmed. */
  Schema.TaggedStruct("Unconfirmed", { detail: Schema.String })
])

/** What became of a command that was to be ended. */
export type Ending = typeof Ending.Type

/** Nothing of it runs any more. */
export const killed: Ending = { _tag: "Killed" }

/** It could not be tried, or not be confirmed. */
export const unconfirmed = (detail: string): Ending => ({ _tag: "Unconfirmed", detail })

/** The sentence that tells an {@link Ending}. */
export const describeEnding = (ending: Ending): string => {
  switch (ending._tag) {
    case "Killed":
      return "the command and everything it started were killed"
    case "Alive":
      return `processes still alive on the node: ${ending.pids.join(", ")}`
    case "Unconfirmed":
      return `the command may still be running (${ending.detail})`
  }
}

/** The command did not end in time. `ending` says whether it is gone. */
export class ExecTimeout extends Schema.TaggedError<ExecTimeout>()("ExecTimeout", {
  /** Milliseconds that it was given. */
  after: Schema.Finite,
  ending: Ending
}) {
  override get message(): string {
    return `timed out after ${this.after / 1000} s; ${describeEnding(this.ending)}`
  }
}

/** The command was started (or may have been), but how it ended can't be known. */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>()("OutcomeUnknown", {
  detail: Schema.String
}) {
  override get message(): string {
    return `the outcome of the command is unknown: ${this.detail}`
  }
}

/** Every way in which a command on its node can fail. */
export const ExecutorError = Schema.Union([
  CommandNotFound,
  CommandNotStarted,
  ContainerNotRunning,
  ContainerStopped,
  ExecTimeout,
  OutcomeUnknown,
  PolicyDenied,
  ProtectedTarget,
  EngineUnreachable,
  EngineError,
  UnexpectedReply
])

/** Every way in which a command on its node can fail. */
export type ExecutorError = typeof ExecutorError.Type
