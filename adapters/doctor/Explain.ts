/** Explains errors of helpers and engines: what is wrong, and what to do. */
import type { EngineFailure, UnreachableReason } from "../../src/engine/EngineErrors.ts"
import { imageSettings, provideImage } from "../../src/helper/DefaultImage.ts"
import type { RunError } from "../../src/Run.ts"
import { version } from "../../src/Version.ts"
import type { Trouble } from "./Check.ts"

/** What to do about an engine that does not respond. */
const checkEngine = "check the engine's log and the network to the engine"

const nextFor: Readonly<Record<UnreachableReason, string>> = {
  NoSocket: "start the engine, or choose another one with DOCKER_HOST or docker context use",
  Refused: "start the engine, or choose another one with DOCKER_HOST or docker context use",
  Permission: "run task-exec as root, or as a member of the group that owns the engine's socket (usually docker)",
  Dns: "correct the host name in DOCKER_HOST or in the docker context",
  Tls: "correct DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or the docker context",
  Ssh: "check that this command works: ssh HOST docker system dial-stdio",
  Timeout: checkEngine,
  Silent: checkEngine,
  Lost: checkEngine,
  Other: checkEngine
}

/** Explains why the connected engine does not respond to `GET /info`. */
export const explainEngine = (error: EngineFailure): Trouble =>
  error._tag === "EngineUnreachable"
    ? { found: `cannot connect to ${error.host}: ${error.detail}`, next: nextFor[error.reason] }
    : {
        found: error.message,
        next: "check that this is a Docker engine, or choose another one with DOCKER_HOST or docker context use"
      }

/** Explains why a helper on a node, or the connection to it, does not work. */
export const explainHelper = (error: RunError, node: string): Trouble => {
  switch (error._tag) {
    case "NodeUnavailable":
      return { found: `the node is ${error.state}`, next: `check the engine on ${node}` }
    case "HelperImageUnavailable":
      return {
        found: `cannot pull ${error.image}: ${error.reason}`,
        next: provideImage(error.image, node).join(". ")
      }
    case "HelperRejected":
      return { found: `the engine rejects the helper: ${error.reason}`, next: `check the log of the engine on ${node}` }
    case "HelperNotPlaced": {
      const reason = error.reason === "" ? "" : ` (${error.reason})`
      return {
        found: `the helper is still ${error.state} after ${error.after / 1000} s${reason}`,
        next: nextAfter(error.state, node)
      }
    }
    case "HelperFailed":
      return {
        found: `the helper did not start: ${error.detail}`,
        next: `check that ${error.image} is an image of task-exec for the platform of ${node}, or build and push it again`
      }
    case "HelperRefused":
      return { found: error.detail, next: newImage }
    case "UsernsRemapped":
      return {
        found: `user namespaces are remapped: root in the helper is user ${error.uid} on the node, and cannot open the engine's socket`,
        next: `run setfacl -m u:${error.uid}:rw /var/run/docker.sock on ${node}, or set DOCKER_HOST to ${node} if it is a manager`
      }
    case "OverlayBlocked":
      return {
        found: `cannot connect to the helper within ${error.after / 1000} s (${error.detail}); -i, -t and cp need this connection`,
        next: "open UDP 4789 and TCP and UDP 7946 between all nodes"
      }
    case "RelayFailed":
      return {
        found: `cannot start a relay on the engine at ${error.host}: ${error.detail}`,
        next: `check that the engine can run ${error.image} on overlay networks`
      }
    default:
      return { found: error.message, next: `check the log of the engine on ${node}` }
  }
}

/** What to do about an image of another version. */
export const newImage = `build and push the image of version ${version}, and choose it with ${imageSettings}`

const nextAfter = (state: string, node: string): string => {
  if (state === "preparing") return `pull the image on ${node}, or allow more time with --timeout`
  if (state === "new" || state === "pending")
    return `check that ${node} has free memory and CPU: docker node inspect ${node}`
  return `check the log of the engine on ${node}, or allow more time with --timeout`
}
