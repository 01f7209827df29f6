/**
 * The keys with which callers and agents authenticate each other, and the TLS key that both sides derive from them.
 *
 * All callers share one X25519 key pair per deployment. Each agent has a key pair of its own. Both sides derive the TLS key from their own
 * private half and the other side's public half, so a process with neither private half can't. An agent's private half gives no access to
 * another node, and the callers' public half gives no access at all.
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

/** An X25519 key pair. */
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

/** Encodes a key pair, including its private half, as text. */
export const writeKeyPair = ({ privateKey }: KeyPair): string =>
  privateKey.export({ format: "der", type: "pkcs8" }).toString("base64")

/** Decodes a key pair from its text. */
export const readKeyPair = (text: string): Result.Result<KeyPair, KeyUnusable> =>
  usable(() => {
    const privateKey = createPrivateKey({ key: Buffer.from(text, "base64"), format: "der", type: "pkcs8" })
    return { privateKey, publicKey: publicHalf(createPublicKey(privateKey)) }
  })

/** The text is not a key, or the key can't be combined with the other side's key. */
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

/** The values, in addition to the two key pairs, from which a TLS key is derived. Another value gives another key. */
export interface KeyScope {
  /** Name of the deployment, which is the name of its network. */
  readonly deployment: string
  /** ID of the agent's node. */
  readonly node: string
  /** ID of the agent's task. */
  readonly task: string
}

/** Derives the TLS key of the connections between callers and one agent. `other`: the other side's public half. */
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
