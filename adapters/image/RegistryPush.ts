/**
 * Pushes an image for several platforms to a registry, without an engine: an engine keeps one platform of an image.
 *
 * Sources: OCI distribution specification 1.1 ("Push"), and for the token the Docker registry's "Token Authentication".
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { credentialsFor } from "../../src/engine/Credentials.ts"
import { type ImageRef, imageName } from "./ImageRef.ts"
import type { Blob, OciImage } from "./OciImage.ts"

/** The registry did not accept the image. */
export class NotPushed extends Schema.TaggedError<NotPushed>()("NotPushed", {
  ref: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot push ${this.ref}: ${this.detail}`
  }
}

/** Timeout of a request and its content, in milliseconds. */
const requestTimeout = 300_000

const Login = Schema.Struct({ username: Schema.String, password: Schema.String })
const isLogin = Schema.is(Login)
const Token = Schema.Struct({
  token: Schema.optionalKey(Schema.String),
  access_token: Schema.optionalKey(Schema.String)
})
const isToken = Schema.is(Token)

/** Pushes the image and returns its digest. `insecure`: use HTTP without TLS. */
export const pushImage = Effect.fn("RegistryPush.push")(function* (
  { blobs, index, manifests }: OciImage,
  ref: ImageRef,
  insecure: boolean
) {
  const name = imageName(ref)
  const slash = ref.repository.indexOf("/")
  const registry = ref.repository.slice(0, Math.max(slash, 0))
  if (!/[.:]|^localhost$/.test(registry)) {
    return yield* new NotPushed({
      ref: name,
      detail: "its name does not begin with a registry, as in registry.example:5000/task-exec"
    })
  }
  const repository = ref.repository.slice(slash + 1)
  const base = `${insecure ? "http" : "https"}://${registry}/v2/${repository}`
  const login = loginIn(yield* credentialsFor(name))
  yield* Effect.tryPromise({
    try: async () => {
      const send = sender(login)
      for (const blob of new Map(blobs.map((one) => [one.digest, one])).values()) await pushBlob(send, base, blob)
      for (const manifest of manifests) await pushManifest(send, base, manifest, manifest.digest)
      await pushManifest(send, base, index, ref.tag)
    },
    catch: (error) => new NotPushed({ ref: name, detail: reasonOf(error) })
  })
  return index.digest
})

const loginIn = (header: string | undefined): typeof Login.Type | undefined => {
  const content: unknown = header === undefined ? undefined : JSON.parse(Buffer.from(header, "base64url").toString())
  return isLogin(content) ? content : undefined
}

/** Adds the cause to an error of `fetch`, whose own message is only "fetch failed". */
const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

type Send = (url: string | URL, init: RequestInit, expected: ReadonlyArray<number>) => Promise<Response>

/** Returns a function that sends requests with the credentials that the registry requests. */
const sender = (login: typeof Login.Type | undefined): Send => {
  const basic = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`
  let authorization: string | undefined
  const once = (url: string | URL, init: RequestInit) =>
    fetch(url, {
      ...init,
      headers: { ...init.headers, ...(authorization === undefined ? {} : { authorization }) },
      signal: AbortSignal.timeout(requestTimeout)
    })
  return async (url, init, expected) => {
    let response = await once(url, init)
    if (response.status === 401 && authorization === undefined) {
      authorization = await authorizationFor(response.headers.get("www-authenticate") ?? "", basic)
      if (authorization !== undefined) response = await once(url, init)
    }
    if (expected.includes(response.status)) return response
    const text = (await response.text()).replace(/\s+/g, " ").slice(0, 300)
    throw new Error(
      `${init.method} ${new URL(url).pathname}: ${response.status} ${response.statusText} ${text}`.trimEnd()
    )
  }
}

const authorizationFor = async (challenge: string, basic: string | undefined): Promise<string | undefined> => {
  if (!/^bearer /i.test(challenge)) return basic
  const fields = Object.fromEntries(
    Array.from(challenge.matchAll(/(\w+)="([^"]*)"/g), ([, key, value]) => [key, value])
  )
  const url = new URL(fields.realm ?? "")
  for (const key of ["service", "scope"]) if (fields[key] !== undefined) url.searchParams.set(key, fields[key])
  const response = await fetch(url, {
    headers: basic === undefined ? {} : { authorization: basic },
    signal: AbortSignal.timeout(requestTimeout)
  })
  const body: unknown = await response.json()
  const token = isToken(body) ? (body.token ?? body.access_token) : undefined
  return token === undefined ? undefined : `Bearer ${token}`
}

const pushBlob = async (send: Send, base: string, { bytes, digest }: Blob): Promise<void> => {
  const found = await send(`${base}/blobs/${digest}`, { method: "HEAD" }, [200, 404])
  if (found.status === 200) return
  const opened = await send(`${base}/blobs/uploads/`, { method: "POST" }, [202])
  const uploadUrl = new URL(opened.headers.get("location") ?? "", `${base}/`)
  uploadUrl.searchParams.set("digest", digest)
  const headers = { "content-type": "application/octet-stream" }
  await send(uploadUrl, { method: "PUT", headers, body: Buffer.from(bytes) }, [201])
}

const pushManifest = async (send: Send, base: string, { bytes, mediaType }: Blob, reference: string): Promise<void> => {
  const headers = { "content-type": mediaType }
  await send(`${base}/manifests/${reference}`, { method: "PUT", headers, body: Buffer.from(bytes) }, [201])
}
