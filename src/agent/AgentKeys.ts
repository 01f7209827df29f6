/**
 * The keys by which callers and agents know each other, and the key of one connection that both derive from them.
 *
 * Callers have one X25519 key pair for a deployment, each agent has one of its own. Either side derives the TLS key from its own
 * private half and the other's public half, so a process with neither private half can't: an agent's private half opens nothing on
 * another node, and the callers' public half opens nothing at all.
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject
} from "node:crypto"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { protocolVersion } from "../carrier/Frame.ts"
import type { PresharedKey } from "../carrier/TunnelTls.ts"

/** An X25519 key pair whose private half can be used. */
export interface KeyPair {
  readonly privateKey: KeyObject
  /** 32 bytes in base64url. */
  readonly publicKey: string
}

const publicHalf = (key: KeyObject): string => key.export({ format: "jwk" }).x ?? ""

/** Makes a key pair. */
export const makeKeyPair = (): KeyPair => {
  const { privateKey, publicKey } = generateKeyPairSync("x25519")
  return { privateKey, publicKey: publicHalf(publicKey) }
}

/** Writes a key pair as text, with its private half. */
export const writeKeyPair = ({ privateKey }: KeyPair): string =>
  privateKey.export({ format: "der", type: "pkcs8" }).toString("base64")

/** Reads a key pair from its text. */
export const readKeyPair = (text: string): Result.Result<KeyPair, KeyUnusable> =>
  usable(() => {
    const privateKey = createPrivateKey({ key: Buffer.from(text, "base64"), format: "der", type: "pkcs8" })
    return { privateKey, publicKey: publicHalf(createPublicKey(privateKey)) }
  })

/** A text is no key, or no key that can be used with the other one. */
export class KeyUnusable extends Schema.TaggedError<KeyUnusable>()("KeyUnusable", { detail: Schema.String }) {
  override get message(): string {
    return `invalid key: ${this.detail}`
  }
}

const usable = <A>(make: () => A): Result.Result<A, KeyUnusable> =>
  Result.try({
    try: make,
    catch: (error) => new KeyUnusable({ detail: error instanceof Error ? error.message : String(error) })
  })

/** What a connection's key holds for, besides the two key pairs: with any other value it is another key. */
export interface KeyScope {
  /** Name of the deployment: that of its network. */
  readonly deployment: string
  /** ID of the agent's node. */
  readonly node: string
  /** ID of the agent's task. */
  readonly task: string
}

/** Derives the key of the connections between callers and one agent, on either side. */
export const deriveKey = (
  own: KeyPair,
  side: "caller" | "agent",
  other: string,
  { deployment, node, task }: KeyScope
): Result.Result<PresharedKey, KeyUnusable> =>
  usable(() => {
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "X25519", x: other }, format: "jwk" })
    const shared = diffieHellman({ privateKey: own.privateKey, publicKey })
    const both = side === "caller" ? [own.publicKey, other] : [other, own.publicKey]
    const info = JSON.stringify(["task-exec agent", protocolVersion, deployment, node, task, ...both])
    return {
      identity: `task-exec-agent/${protocolVersion}`,
      key: new Uint8Array(hkdfSync("sha256", shared, "", info, 32))
    }
  })
