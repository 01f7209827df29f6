/** Who the caller is, as its own system knows it. */
import { hostname, userInfo } from "node:os"
import * as Schema from "effect/Schema"

/** What a caller says of itself. A reader has no proof of it. */
export const Who = Schema.Struct({
  /** Name of the user; absent for one without an entry in `/etc/passwd`, as in many containers. */
  user: Schema.optionalKey(Schema.String),
  uid: Schema.optionalKey(Schema.Int),
  /** The user who called `sudo`, as it says. */
  sudo: Schema.optionalKey(Schema.String),
  /** Name of the caller's machine. */
  host: Schema.String
})

/** A caller, in its own words. */
export type Who = typeof Who.Type

/** This process. */
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
