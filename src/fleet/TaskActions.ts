/** Requests for the logs of tasks and for signals to them. */

import type { LogOptions, SignalOptions } from "../request/ActionRequest.ts"
import type { ExecRequest } from "../request/ExecRequest.ts"
import type { FleetRequest } from "./FleetRequest.ts"

/** The options of a request that concern the route. */
type Routing = Pick<ExecRequest, "image" | "placementTimeout" | "via">

/**
 * The request of `TaskExec.logs`: a task, and the lines of its log.
 *
 * @category requests
 * @since 0.2.0
 */
export interface LogsRequest extends Routing, LogOptions, Pick<ExecRequest, "target"> {}

/**
 * The request of `TaskExec.logsAll`: a selection of tasks, and the lines of their logs.
 *
 * @category requests
 * @since 0.2.0
 */
export interface FleetLogsRequest
  extends Routing,
    LogOptions,
    Pick<FleetRequest, "followUpdates" | "pacing" | "selection"> {}

/**
 * The request of `TaskExec.signal`: a task, and the signal for its main process.
 *
 * @category requests
 * @since 0.2.0
 */
export interface SignalRequest extends Routing, SignalOptions, Pick<ExecRequest, "target"> {}

/**
 * The request of `TaskExec.signalAll`: a selection of tasks, and the signal for their main processes.
 *
 * @category requests
 * @since 0.2.0
 */
export interface FleetSignalRequest extends Routing, SignalOptions, Pick<FleetRequest, "pacing" | "selection"> {}

/** Converts a request for logs to a request for `stream` or `runAll`. */
export const logsRequest = <Request extends Routing & LogOptions>({
  follow,
  since,
  tail,
  timestamps,
  until,
  ...request
}: Request) => ({
  ...request,
  command: [],
  action: {
    _tag: "Logs" as const,
    ...(follow === undefined ? {} : { follow }),
    ...(since === undefined ? {} : { since }),
    ...(tail === undefined ? {} : { tail }),
    ...(timestamps === undefined ? {} : { timestamps }),
    ...(until === undefined ? {} : { until })
  }
})

/** Converts a request for a signal to a request for `run` or `runAll`. */
export const signalRequest = <Request extends Routing & SignalOptions>({ signal, ...request }: Request) => ({
  ...request,
  command: [],
  action: { _tag: "Signal" as const, signal }
})
