/** The identity of a caller, as its own system reports it. */
import { hostname, userInfo } from "node:os"
import * as Schema from "effect/Schema"

/** The identity that a caller claims. It is not verified. */
export const Who = Schema.Struct({
  /** Name of the user; absent if the user has no entry in `/etc/passwd`, as in many containers. */
  user: Schema.optionalKey(Schema.String),
  uid: Schema.optionalKey(Schema.Int),
  /** The user who called `sudo`, from the variable `SUDO_USER`. */
  sudo: Schema.optionalKey(Schema.String),
  /** Name of the caller's machine. */
  host: Schema.String
})

/** The identity that a caller claims. It is not verified. */
export type Who = typeof Who.Type

/** Returns the identity of this process. */
export const whoAmI = (): Who => {
  const { SUDO_USER: sudo } = process.env
  return { ...osUser(), ...(sudo === undefined ? {} : { sudo }), host: hostname() }
}

const osUser = (): Pick<Who, "user" | "uid"> => {
  try {
    const { uid, username } = userInfo()
    return { user: username, uid }
  } catch {
    const uid = process.getuid?.()
    return uid === undefined ? {} : { uid }
  }
}
