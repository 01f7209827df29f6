/** docker-modem, the HTTP client of dockerode, and the options with which task-exec uses it. */
import type { Readable } from "node:stream"
import Docker from "dockerode"
import type { EngineAgent } from "./EngineAgent.ts"

/**
 * The only method of docker-modem that task-exec calls. @types/dockerode declares `modem: any`, and the declared type of the result is
 * wrong, so the result is checked before use.
 */
export interface Modem {
  readonly dial: (
    options: {
      readonly path: string
      readonly method: string
      readonly headers: Record<string, string>
      readonly options: { readonly _query: object; readonly _body: object }
      /** A body that is not JSON. */
      readonly file?: Readable
      readonly isStream: true
      readonly hijack: boolean
      readonly statusCodes: Readonly<Record<number, true>>
      readonly abortSignal: AbortSignal
    },
    callback: (error: unknown, result: unknown) => void
  ) => void
}

/**
 * Makes docker-modem treat every status as a success. Its own code for error responses never calls back if the connection breaks in the
 * middle of the body, and returns a text that is hard to parse.
 */
export const everyStatus: Readonly<Record<number, true>> = Object.fromEntries(
  Array.from({ length: 500 }, (_, index) => [100 + index, true])
)

/**
 * Returns dockerode's connection, with our agent. Its constructor reads DOCKER_HOST and certificates even if all options are given, and
 * throws if they are invalid. task-exec reads them itself, so the variable is hidden from the constructor.
 */
export const dockerModem = (agent: EngineAgent): Modem => {
  const kept = process.env.DOCKER_HOST
  try {
    delete process.env.DOCKER_HOST
    // A variable, because @types/dockerode does not declare `agent`, and an object literal would not compile.
    const options = { socketPath: "/", agent }
    return new Docker(options).modem
  } finally {
    if (kept !== undefined) process.env.DOCKER_HOST = kept
  }
}
