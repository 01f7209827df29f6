/** How a relay is told where the helper is: by one line before everything else. */
import { imageCommands } from "../ImageCommands.ts"

/** A relay as a process in a container of our image that runs already: nothing of its entry point is used there. */
export const relayDoor = ["node", "--", "/opt/task-exec/image-start.cjs", imageCommands.relay] as const

/** Where the helper listens, on its own network only. */
export const helperPort = 7788

/** The line for a relay. */
export const relayAddress = (host: string): string => `${host} ${helperPort}\n`

/** Reads that line from the beginning of a relay's input; `undefined` while it is not all there. */
export const readRelayAddress = (
  head: Uint8Array
): { readonly host: string; readonly port: number; readonly length: number } | undefined => {
  const end = head.indexOf(0x0a)
  if (end < 0) return undefined
  const [host = "", port = ""] = Buffer.from(head.subarray(0, end)).toString("latin1").split(" ")
  return { host, port: Number(port), length: end + 1 }
}
