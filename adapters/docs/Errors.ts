/** Samples of every error of the library: one for each form of its text. */
import * as Schema from "effect/Schema"
import { UnreachableReason } from "../../src/engine/EngineErrors.ts"
import * as library from "../../src/index.ts"

/** An error with its message, and its summary and next step if it has them. */
export type ErrorSample = library.TaskExecError & { readonly summary?: string; readonly hint?: string }

type Library = typeof library

/** The names of the library's error classes. */
type ErrorName = {
  [Name in keyof Library]: Library[Name] extends abstract new (
    ...args: never
  ) => { readonly _tag: Name & string }
    ? Name
    : never
}[keyof Library]

/** The documentation of an error. */
export interface ErrorDoc {
  /** The heading under which the page lists it. */
  readonly group: keyof typeof groups
  /** An addition to the text about a retry. */
  readonly note?: string
  /** One for each form of the text. Placeholders are in capitals. */
  readonly samples: ReadonlyArray<ErrorSample>
}

/** The headings of the page. */
export const groups = {
  engine: "Engines",
  request: "Requests and targets",
  node: "The connection to the task's node",
  command: "The command",
  copy: "Copies",
  converge: "Waiting for services",
  forward: "Forwarded ports",
  agent: "Agents"
} as const

const decodeReason = Schema.decodeUnknownSync(UnreachableReason)

/** The cause for each reason, as a message has it. */
const unreachable: Readonly<Record<UnreachableReason, string>> = {
  NoSocket: "PATH does not exist",
  Refused: "connection refused",
  Permission: "permission denied on PATH",
  Dns: "the host name has no address (REASON)",
  Tls: "TLS failed: REASON",
  Ssh: "ssh: REASON",
  Timeout: "no response within 10s",
  Silent: "no response for 15 s",
  Lost: "the connection was closed before the response was complete",
  Other: "REASON"
}

const task = { id: "ID", name: "SERVICE.SLOT", node: "NODE", state: "STATE" }
const engine = { host: "HOST", operation: "OPERATION" }
const killed = { _tag: "Killed" } as const
const unconfirmed = { _tag: "Unconfirmed", detail: "REASON" } as const
const file = { task: "TASK", node: "NODE", path: "PATH" }

/** Every error class of the library. */
export const errors: Readonly<Record<ErrorName, ErrorDoc>> = {
  InvalidEndpoint: {
    group: "engine",
    samples: [new library.InvalidEndpoint({ endpoint: "ADDRESS", detail: "REASON" })]
  },
  EngineUnreachable: {
    group: "engine",
    note: "If a request of `Swarm` or `DockerEngine` fails with a text other than `cannot connect`, the engine may have acted on it.",
    samples: Object.entries(unreachable).map(
      ([reason, detail]) => new library.EngineUnreachable({ ...engine, reason: decodeReason(reason), detail })
    )
  },
  NotSwarmManager: {
    group: "engine",
    samples: (["worker", "inactive", "locked"] as const).map(
      (state) => new library.NotSwarmManager({ ...engine, state, node: "NODE", managers: ["ADDRESS:2377"] })
    )
  },
  EngineError: {
    group: "engine",
    samples: [500, 404].map((status) => new library.EngineError({ ...engine, status, text: "REASON" }))
  },
  UnexpectedReply: {
    group: "engine",
    samples: [new library.UnexpectedReply({ ...engine, detail: "REASON" })]
  },
  InvalidConfigFile: {
    group: "request",
    samples: [new library.InvalidConfigFile({ file: "FILE", position: "line 3, column 5", detail: "REASON" })]
  },
  InvalidRequest: {
    group: "request",
    samples: [new library.InvalidRequest({ detail: "REASON" })]
  },
  InvalidTarget: {
    group: "request",
    samples: [new library.InvalidTarget({ target: "TARGET", detail: "REASON" })]
  },
  InvalidAmount: {
    group: "request",
    samples: [new library.InvalidAmount({ text: "AMOUNT", detail: "REASON" })]
  },
  InvalidFilter: {
    group: "request",
    samples: [new library.InvalidFilter({ text: "FILTER" })]
  },
  TaskNotFound: {
    group: "request",
    samples: [
      new library.TaskNotFound({ target: "TARGET", detail: "REASON" }),
      new library.TaskNotFound({ target: "TARGET", detail: "REASON", service: "SERVICE" })
    ]
  },
  TaskAmbiguous: {
    group: "request",
    samples: [new library.TaskAmbiguous({ target: "TARGET", candidates: [task, task] })]
  },
  TaskNotRunning: {
    group: "request",
    samples: [new library.TaskNotRunning({ target: "TARGET", task, reason: "REASON" })]
  },
  NothingSelected: {
    group: "request",
    samples: [new library.NothingSelected({ detail: "REASON" })]
  },
  ProtectedTarget: {
    group: "request",
    samples: [new library.ProtectedTarget({ target: "TASK", node: "NODE", role: "helper" })]
  },
  WaitTimedOut: {
    group: "request",
    samples: [new library.WaitTimedOut({ target: "TARGET", after: 30_000, detail: "REASON" })]
  },
  PolicyDenied: {
    group: "request",
    samples: [
      ...(["ServiceLabel", "ContainerLabel", "CallerDefault", "NodeDefault"] as const).map(
        (stands) =>
          new library.PolicyDenied({
            container: "CONTAINER",
            service: "SERVICE",
            task: "TASK",
            node: "NODE",
            program: "PROGRAM",
            stands,
            ...(stands.endsWith("Label") ? { policy: "LABEL" } : {})
          })
      ),
      new library.PolicyDenied({ container: "CONTAINER", stands: "ContainerLabel", policy: "LABEL" })
    ]
  },
  RouteUnavailable: {
    group: "node",
    samples: [new library.RouteUnavailable({ via: "local", detail: "REASON" })]
  },
  AgentUnavailable: {
    group: "node",
    samples: [new library.AgentUnavailable({ node: "NODE", detail: "REASON" })]
  },
  RequestTooLarge: {
    group: "node",
    samples: [new library.RequestTooLarge({ bytes: 600_000, limit: 499_999 })]
  },
  NodeUnavailable: {
    group: "node",
    samples: [
      new library.NodeUnavailable({ task: "TASK", node: "NODE", state: "down", availability: "active" }),
      new library.NodeUnavailable({ task: "TASK", node: "NODE", state: "ready", availability: "drain" })
    ]
  },
  HelperImageUnavailable: {
    group: "node",
    samples: [new library.HelperImageUnavailable({ image: "IMAGE", node: "NODE", reason: "REASON" })]
  },
  HelperRejected: {
    group: "node",
    samples: [
      new library.HelperRejected({ node: "NODE", reason: "REASON" }),
      new library.HelperRejected({ node: "NODE", reason: "REASON", mayRun: true }),
      new library.HelperRejected({ node: "NODE", reason: "Pool overlaps with other one on this address space" })
    ]
  },
  HelperNotPlaced: {
    group: "node",
    samples: [{}, { mayRun: true } as const].map(
      (more) => new library.HelperNotPlaced({ node: "NODE", after: 30_000, state: "STATE", reason: "REASON", ...more })
    )
  },
  HelperFailed: {
    group: "node",
    samples: (["Exec", "End", "Copy"] as const).map(
      (work) => new library.HelperFailed({ node: "NODE", image: "IMAGE", work, detail: "REASON" })
    )
  },
  HelperRefused: {
    group: "node",
    note: "The command may have run if an earlier helper of the run was killed.",
    samples: [new library.HelperRefused({ node: "NODE", detail: "REASON" })]
  },
  UsernsRemapped: {
    group: "node",
    samples: [new library.UsernsRemapped({ node: "NODE", uid: 100_000 })]
  },
  OverlayBlocked: {
    group: "node",
    note: "Nothing has run before `Started`. After it, the command was killed.",
    samples: [new library.OverlayBlocked({ node: "NODE", after: 30_000, detail: "no response" })]
  },
  RelayFailed: {
    group: "node",
    note: "Nothing has run before `Started`. After it, the command was killed.",
    samples: [new library.RelayFailed({ host: "HOST", image: "IMAGE", detail: "REASON" })]
  },
  ConnectionLost: {
    group: "node",
    samples: [
      new library.ConnectionLost({ node: "NODE", detail: "REASON", killResult: killed }),
      new library.ConnectionLost({ node: "NODE", detail: "REASON", killResult: unconfirmed })
    ]
  },
  ContainerNotRunning: {
    group: "command",
    samples: ["REASON", "container CONTAINER is paused"].map(
      (detail) => new library.ContainerNotRunning({ container: "CONTAINER", detail })
    )
  },
  OneOffNotStarted: {
    group: "request",
    samples: ["REASON", "No such image: IMAGE"].map(
      (reason) =>
        new library.OneOffNotStarted({ service: "SERVICE", image: "IMAGE", node: "NODE", state: "rejected", reason })
    )
  },
  OneOffNotPlaced: {
    group: "request",
    samples: ["no suitable node (REASON)", "REASON"].map(
      (reason) =>
        new library.OneOffNotPlaced({ service: "SERVICE", image: "IMAGE", after: 30_000, state: "STATE", reason })
    )
  },
  ToolboxNotStarted: {
    group: "command",
    samples: [
      new library.ToolboxNotStarted({ image: "IMAGE", container: "CONTAINER", detail: "REASON" }),
      new library.ToolboxNotStarted({ image: "IMAGE", container: "CONTAINER", detail: "REASON", isOwn: true })
    ]
  },
  LogUnreadable: {
    group: "command",
    samples: [
      new library.LogUnreadable({ container: "CONTAINER", reason: "Driver", driver: "DRIVER", detail: "REASON" }),
      new library.LogUnreadable({ container: "CONTAINER", reason: "Removed", detail: "REASON" }),
      new library.LogUnreadable({ container: "CONTAINER", reason: "Incomplete", detail: "REASON" })
    ]
  },
  SignalNotSent: {
    group: "command",
    samples: [new library.SignalNotSent({ container: "CONTAINER", signal: "SIGHUP", detail: "REASON" })]
  },
  CommandNotFound: {
    group: "command",
    samples: [
      ...["PROGRAM", "bash", "sh", "PROGRAM ARGUMENT"].map(
        (command) => new library.CommandNotFound({ command, detail: "REASON" })
      ),
      new library.CommandNotFound({ command: "PROGRAM", detail: "REASON", toolbox: "IMAGE" })
    ]
  },
  CommandNotStarted: {
    group: "command",
    samples: [new library.CommandNotStarted({ command: "PROGRAM", detail: "REASON" })]
  },
  ContainerStopped: {
    group: "command",
    samples: [new library.ContainerStopped({ container: "CONTAINER" })]
  },
  ExecTimeout: {
    group: "command",
    samples: [
      new library.ExecTimeout({ after: 30_000, killResult: killed }),
      new library.ExecTimeout({ after: 30_000, killResult: { _tag: "Alive", pids: [4711] } }),
      new library.ExecTimeout({ after: 30_000, killResult: unconfirmed })
    ]
  },
  OutcomeUnknown: {
    group: "command",
    samples: [new library.OutcomeUnknown({ detail: "REASON" })]
  },
  OutputTooLarge: {
    group: "command",
    samples: [new library.OutputTooLarge({ limit: library.collectLimit })]
  },
  PathNotFound: { group: "copy", samples: [new library.PathNotFound(file)] },
  NoSuchDirectory: {
    group: "copy",
    samples: [new library.NoSuchDirectory({ path: "PATH" })]
  },
  CannotCopyDirectory: {
    group: "copy",
    samples: [new library.CannotCopyDirectory({ to: "PATH" })]
  },
  UnfitDestination: {
    group: "copy",
    samples: [new library.UnfitDestination({ path: "PATH", must: "a directory" })]
  },
  CopyFailed: {
    group: "copy",
    note: "A retry copies all files again. Files that were copied stay until then.",
    samples: [new library.CopyFailed({ ...file, reason: "REASON" })]
  },
  CopyLost: {
    group: "copy",
    note: "A retry copies all files again. Files that were copied stay until then.",
    samples: [new library.CopyLost({ node: "NODE", detail: "REASON" })]
  },
  CannotListen: {
    group: "forward",
    samples: [new library.CannotListen({ address: "ADDRESS", detail: "REASON" })]
  },
  ForwardingEnded: {
    group: "forward",
    samples: [new library.ForwardingEnded({ task: "TASK", node: "NODE", detail: "REASON" })]
  },
  PortUnreachable: {
    group: "forward",
    samples: [new library.PortUnreachable({ port: 80, reason: "REASON" })]
  },
  ConnectionReset: {
    group: "forward",
    samples: [new library.ConnectionReset({ detail: "REASON" })]
  },
  ServiceNotConverged: {
    group: "converge",
    samples: [new library.ServiceNotConverged({ service: "SERVICE", detail: "REASON" })]
  },
  ConvergeTimedOut: {
    group: "converge",
    samples: [
      new library.ConvergeTimedOut({
        after: 30_000,
        services: [{ service: "SERVICE", wanted: 3, ready: 2, waitingFor: ["TASK on NODE: STATE"] }]
      }),
      new library.ConvergeTimedOut({ after: 30_000, services: [] })
    ]
  },
  AgentsNotRunning: {
    group: "agent",
    note: "`task-exec agent up` continues with the agents' service.",
    samples: [
      new library.AgentsNotRunning({ after: 30_000, nodes: [{ node: "NODE", state: "STATE", reason: "REASON" }] })
    ]
  },
  OldKeyInUse: {
    group: "agent",
    samples: [new library.OldKeyInUse({ nodes: ["NODE"] })]
  },
  AgentsBusy: {
    group: "agent",
    samples: [new library.AgentsBusy({ detail: "REASON" })]
  }
}
