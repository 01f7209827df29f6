import * as DiagnosticsChannel from "node:diagnostics_channel"
import * as Http from "node:http"
import type { Duplex } from "node:stream"
import { inspect } from "node:util"

/**
 * The HTTP agent that makes all connections to an engine, for each kind of address. docker-modem is configured as if the engine had a
 * socket file. So it does not read ~/.docker, does not use its own ssh (which does not work on Node 26), and does not call the deprecated
 * `url.parse`.
 */
export class EngineAgent extends Http.Agent {
  readonly #connect: () => Duplex
  readonly #open = new Set<Duplex>()
  #receivedBefore = 0

  /** `reuse`: keep connections for later requests. A kept connection may be dead, so only connections that are slow to open are kept. */
  constructor(connect: () => Duplex, reuse: boolean) {
    // After 10 idle seconds, a router may have dropped the connection silently.
    const kept = reuse ? { keepAlive: true, timeout: 10_000 } : { keepAlive: false }
    // The connections set the TLS server name themselves. Without this option, Node derives it from the header Host, which takes 5 ms the
    // first time.
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

  /** Returns the number of bytes that all connections have received so far, including upgraded ones. */
  received(): number {
    let sum = this.#receivedBefore
    for (const connection of this.#open) sum += receivedBy(connection)
    return sum
  }

  /** Closes all connections except upgraded ones, which their owners close. */
  override destroy(): void {
    DiagnosticsChannel.unsubscribe("http.client.response.finish", this.#dropRedirect)
    super.destroy()
  }

  /**
   * Engines never redirect. docker-modem would follow a redirect of another server to any host, and an error of that request, which has no
   * listener, would end the process. Without the header Location, docker-modem returns the response as it is.
   */
  readonly #dropRedirect = (message: unknown): void => {
    if (typeof message !== "object" || message === null || !("request" in message) || !("response" in message)) return
    const { request, response } = message
    if (!(request instanceof Http.ClientRequest) || !(response instanceof Http.IncomingMessage)) return
    if ("agent" in request && request.agent === this) delete response.headers.location
  };

  /** docker-modem inspects its options, including this agent, to all depths on every request. */
  [inspect.custom](): string {
    return "EngineAgent"
  }
}

/** Returns the number of bytes that arrived on a connection. */
const receivedBy = (connection: Duplex): number =>
  "bytesRead" in connection && typeof connection.bytesRead === "number" ? connection.bytesRead : 0
