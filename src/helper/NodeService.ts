/** The container spec that helpers, sweepers and agents share. */
import type { ContainerSpec } from "../engine/RequestBodies.ts"
import { helperVariables } from "./HelperRequest.ts"

/** The parts of the spec that differ between helpers, sweepers and agents. */
export interface NodeServiceOptions {
  /** Reference of the helper's image, as the nodes' engines resolve it. */
  readonly image: string
  /** The subcommand of the image. */
  readonly command: string
  readonly labels: Readonly<Record<string, string>>
  /** A secret in `/run/secrets` that only root in the container can read. Agents have none, because all nodes would hold the same one. */
  readonly secret?: { readonly id: string; readonly name: string; readonly file: string }
  /** Milliseconds between the stop signal and KILL. */
  readonly stopGrace: number
}

/**
 * Returns the spec of a container with the socket of the node's engine and the IDs of its task and node. It runs as root, without
 * capabilities, on a read-only file system.
 */
export const nodeContainer = ({ command, image, labels, secret, stopGrace }: NodeServiceOptions): ContainerSpec => ({
  Image: image,
  Args: [command],
  Labels: labels,
  Env: [
    `${helperVariables.task}={{.Task.ID}}`,
    `${helperVariables.node}={{.Node.ID}}`,
    `${helperVariables.hostname}={{.Node.Hostname}}`
  ],
  User: "0:0",
  ReadOnly: true,
  CapabilityDrop: ["ALL"],
  Privileges: { NoNewPrivileges: true },
  StopGracePeriod: stopGrace * 1_000_000,
  Mounts: [{ Type: "bind", Source: "/var/run/docker.sock", Target: "/var/run/docker.sock" }],
  Secrets:
    secret === undefined
      ? []
      : [{ SecretID: secret.id, SecretName: secret.name, File: { Name: secret.file, UID: "0", GID: "0", Mode: 0o400 } }]
})
