/** Requests for the logs of tasks and for signals to them. */

import type { LogOptions, SignalOptions } from "../request/ActionRequest.ts"
import type { ExecRequest } from "../request/ExecRequest.ts"
import type { FleetRequest } from "./Fleet.ts"

/** The route of a request. */
type Routing = Pick<ExecRequest, "image" | "placementTimeout" | "via">

/** The log of a task. */
export interface LogsRequest extends Routing, LogOptions, Pick<ExecRequest, "target"> {}

/** The logs of many tasks. */
export interface FleetLogsRequest
  extends Routing,
    LogOptions,
    Pick<FleetRequest, "followUpdates" | "pacing" | "selection"> {}

/** A signal to the main process of a task. */
export interface SignalRequest extends Routing, SignalOptions, Pick<ExecRequest, "target"> {}

/** A signal to the main processes of many tasks. */
export interface FleetSignalRequest extends Routing, SignalOptions, Pick<FleetRequest, "pacing" | "selection"> {}

/** Returns the request of a reading for `stream` or `runAll`. */
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

/** Returns the request of a signal for `run` or `runAll`. */
export const signalRequest = <Request extends Routing & SignalOptions>({ signal, ...request }: Request) => ({
  ...request,
  command: [],
  action: { _tag: "Signal" as const, signal }
})
