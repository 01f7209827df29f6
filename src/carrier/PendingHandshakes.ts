/** Limits the connections of a listener that have not yet proved that they know the key. */

/** The most connections that may be in their handshake at the same time. */
export interface HandshakeLimits {
  /** From one address. */
  readonly perSource: number
  readonly inTotal: number
}

/**
 * The connections of a listener whose handshake is not complete.
 *
 * **Details**: a connection above a limit replaces the oldest one of its own source, or of the source with the most connections. A
 * handshake takes milliseconds, so a client that knows the key completes it before its connection is the oldest one. A source that opens
 * many connections loses only its own.
 */
export class PendingHandshakes<Connection> {
  private readonly limits: HandshakeLimits
  private readonly close: (connection: Connection) => void
  /** The connections by source, oldest first. */
  private readonly sources = new Map<string, Set<Connection>>()
  private total = 0

  /** `close` closes a connection. */
  constructor(limits: HandshakeLimits, close: (connection: Connection) => void) {
    this.limits = limits
    this.close = close
  }

  /** The number of connections. */
  get size(): number {
    return this.total
  }

  /** Counts a new connection, and closes an older one if there are too many. */
  add(source: string, connection: Connection): void {
    const own = this.sources.get(source) ?? new Set()
    this.sources.set(source, own.add(connection))
    this.total++
    if (own.size > this.limits.perSource) this.dropOldest(source, own)
    if (this.total > this.limits.inTotal) this.dropOldest(...this.largest(source, own))
  }

  /** Removes a connection that is closed or has completed its handshake. Ignores a connection that is not counted. */
  delete(source: string, connection: Connection): void {
    const own = this.sources.get(source)
    if (own === undefined || !own.delete(connection)) return
    this.total--
    if (own.size === 0) this.sources.delete(source)
  }

  private largest(source: string, own: ReadonlySet<Connection>): [string, ReadonlySet<Connection>] {
    let found: [string, ReadonlySet<Connection>] = [source, own]
    for (const [name, connections] of this.sources) if (connections.size > found[1].size) found = [name, connections]
    return found
  }

  private dropOldest(source: string, connections: ReadonlySet<Connection>): void {
    const [oldest] = connections
    if (oldest === undefined) return
    this.delete(source, oldest)
    this.close(oldest)
  }
}
