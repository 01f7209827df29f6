/** What the containers of our own image have in common that services put on nodes: of helpers, sweepers and agents. */
import type { ContainerSpec } from "../engine/EngineSchemas.ts"
import { helperVariables } from "./HelperRequest.ts"

/** What differs. */
export interface NodeServiceOptions {
  /** Reference of our image, as the nodes' engines are to resolve it. */
  readonly image: string
  /** The subcommand of our image. */
  readonly command: string
  readonly labels: Readonly<Record<string, string>>
  /** What only root in the container can read, in `/run/secrets`; agents have none, as each node would have the same one. */
  readonly secret?: { readonly id: string; readonly name: string; readonly file: string }
  /** Milliseconds between the signal to stop and KILL. */
  readonly stopGrace: number
}

/** Root with no capability and no place to write, who has the engine's socket of the node, and knows where it is. */
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
