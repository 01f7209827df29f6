/** How a relay is told where the helper is: by one line before everything else. */
import { imageCommands } from "../ImageCommands.ts"
import { type Ownership, ownershipLabels } from "../Labels.ts"

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

/**
 * Options of an endpoint on an overlay network. A node hears of the others' addresses by gossip, so the first question for one may
 * come too early: it is asked again after 50 ms, not after the kernel's second (engine 28.5: 1.3 s to the end of `true`, and 2.3
 * without). Engines before 27 take no notice.
 */
export const overlayEndpoint = {
  DriverOpts: { "com.docker.network.endpoint.sysctls": "net.ipv4.neigh.IFNAME.retrans_time_ms=50" }
} as const

/** In milliseconds. */
const relayLife = 365 * 24 * 3600_000

/**
 * Labels of a relay or a listener. It ends with the program that attached to it, and the labels of a container can't change: its deadline
 * is far beyond that of its run.
 */
export const relayLabels = (owner: Ownership): Record<string, string> =>
  ownershipLabels({ ...owner, deadline: owner.deadline + relayLife }, "relay")
