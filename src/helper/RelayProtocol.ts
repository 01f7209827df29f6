/** The protocol of a relay: the first line of its input is the address to which it connects. */
import { imageCommands } from "../ImageCommands.ts"
import { type Ownership, ownershipLabels } from "../Labels.ts"

/** The command of a relay that runs as an additional process in a relay container. It does not use the container's entrypoint. */
export const relayCommandLine = ["node", "--", "/opt/task-exec/image-start.cjs", imageCommands.relay] as const

/** The port on which helpers' listeners and agents listen, on an overlay network only. */
export const helperPort = 7788

/** Returns the address line for a relay. */
export const relayAddress = (host: string): string => `${host} ${helperPort}\n`

/** Reads the address line at the start of a relay's input; `undefined` if the line is not complete. */
export const readRelayAddress = (
  head: Uint8Array
): { readonly host: string; readonly port: number; readonly length: number } | undefined => {
  const end = head.indexOf(0x0a)
  if (end < 0) return undefined
  const [host = "", port = ""] = Buffer.from(head.subarray(0, end)).toString("latin1").split(" ")
  return { host, port: Number(port), length: end + 1 }
}

/**
 * Options of an endpoint on an overlay network. Nodes learn the addresses of other nodes' endpoints by gossip, so the first ARP request may
 * be too early. With this option, the kernel repeats the request after 50 ms instead of a second (engine 28.5: `true` takes 1.3 s, and 2.3
 * s without it). Engines before 27 ignore the option.
 */
export const overlayEndpoint = {
  DriverOpts: { "com.docker.network.endpoint.sysctls": "net.ipv4.neigh.IFNAME.retrans_time_ms=50" }
} as const

/** Milliseconds that the deadline of a relay adds to that of its run: a year. */
const relayLife = 365 * 24 * 3600_000

/**
 * Returns the labels of a relay or a listener. Its deadline is far later than that of its run, because the labels of a container can't
 * change and it ends with the program that is attached to it anyway.
 */
export const relayLabels = (owner: Ownership): Record<string, string> =>
  ownershipLabels({ ...owner, deadline: owner.deadline + relayLife }, "relay")
