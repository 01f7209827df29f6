import { getSystemErrorMessage } from "node:util"

/** Returns the system's text of a socket's error, such as "connection refused". */
export const systemText = (error: unknown): string => {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number") {
    return getSystemErrorMessage(error.errno) ?? error.message
  }
  return error instanceof Error ? error.message : String(error)
}
