/** Recognizes a helper that can't open its engine's socket because the engine remaps user namespaces. */

import { readFileSync } from "node:fs"
import { EngineUnreachable } from "../engine/EngineErrors.ts"
import { UsernsRemapped } from "../helper/HelperErrors.ts"
import { helperVariables } from "../helper/HelperRequest.ts"

/** Returns the user ID that root in the container has on the node. Lines of `uid_map`: first ID inside, first ID outside, count. */
export const rootOutside = (uidMap: string): number | undefined => {
  const outside = /^\s*0\s+(\d+)\s/m.exec(uidMap)?.[1]
  return outside === undefined ? undefined : Number(outside)
}

/** Turns "permission denied" at the engine's socket into `UsernsRemapped` if root in the container is another user on the node. */
export const nameRemapping = <E>(error: E): E | UsernsRemapped => {
  if (!isDenied(error)) return error
  const uid = rootOutside(ownUidMap())
  return uid === undefined || uid === 0
    ? error
    : new UsernsRemapped({ node: process.env[helperVariables.hostname] ?? "", uid })
}

const isDenied = (error: unknown): boolean => error instanceof EngineUnreachable && error.reason === "Permission"

const ownUidMap = (): string => {
  try {
    return readFileSync("/proc/self/uid_map", "utf8")
  } catch {
    // A kernel without user namespaces.
    return ""
  }
}
