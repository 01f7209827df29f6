import * as DiagnosticsChannel from "node:diagnostics_channel"
import * as Http from "node:http"
import type { Duplex } from "node:stream"
import { inspect } from "node:util"

/**
 * Makes every connection to the engine, whatever kind of address it has. docker-modem believes that it talks to a socket
 * file: so it neither reads ~/.docker, nor goes into its own ssh (which does not work on Node 26), nor calls the deprecated
 * `url.parse`, and one piece of code serves all four kinds.
 */
export class EngineAgent extends Http.Agent {
  readonly #connect: () => Duplex
  readonly #open = new Set<Duplex>()
  #receivedBefore = 0

  /** `reuse`: keep connections for the next request. Costs a look at whether they still live, so only where making one is slow. */
  constructor(connect: () => Duplex, reuse: boolean) {
    // After 10 idle seconds a router may have forgotten the connection without telling.
    const kept = reuse ? { keepAlive: true, timeout: 10_000 } : { keepAlive: false }
    // Otherwise Node makes one of the header Host, for TLS, which is none of its business here: looking whether that is an
    // address takes it 5 ms the first time.
    const options: Http.AgentOptions & { readonly servername: string } = { ...kept, servername: "" }
    super(options)
    this.#connect = connect
    DiagnosticsChannel.subscribe("http.client.response.finish", this.#dropRedirect)
  }

  override createConnection(): Duplex {
    const connection = this.#connect()
    this.#open.add(connection)
    connection.once("close", () => {
      this.#open.delete(connection)
      this.#receivedBefore += receivedBy(connection)
    })
    return connection
  }

  /** Bytes that came in on all connections so far, upgraded ones included. */
  received(): number {
    let sum = this.#receivedBefore
    for (const connection of this.#open) sum += receivedBy(connection)
    return sum
  }

  /** Closes all connections but those that were upgraded, which their owners close. */
  override destroy(): void {
    DiagnosticsChannel.unsubscribe("http.client.response.finish", this.#dropRedirect)
    super.destroy()
  }

  /**
   * No engine redirects. docker-modem would follow a redirect to any host, and an error of that request, which has no listener,
   * would end the process. Without a Location header docker-modem returns the answer as it is.
   */
  readonly #dropRedirect = (message: unknown): void => {
    if (typeof message !== "object" || message === null || !("request" in message) || !("response" in message)) return
    const { request, response } = message
    if (!(request instanceof Http.ClientRequest) || !(response instanceof Http.IncomingMessage)) return
    if ("agent" in request && request.agent === this) delete response.headers.location
  };

  /** docker-modem inspects its options, and us in them, to all depths on every request. */
  [inspect.custom](): string {
    return "EngineAgent"
  }
}

/** Returns the number of bytes that arrived on a connection. */
const receivedBy = (connection: Duplex): number =>
  "bytesRead" in connection && typeof connection.bytesRead === "number" ? connection.bytesRead : 0
