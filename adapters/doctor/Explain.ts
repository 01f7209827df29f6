/** The errors of helpers and engines as two things: what is wrong, and what to do. */
import type { EngineFailure, UnreachableReason } from "../../src/engine/EngineErrors.ts"
import { imageSettings, provideImage } from "../../src/helper/DefaultImage.ts"
import type { RunError } from "../../src/Run.ts"
import { version } from "../../src/Version.ts"
import type { Trouble } from "./Check.ts"

/** What to do about an engine that gives no answer. */
const nextFor: Readonly<Record<UnreachableReason, string>> = {
  NoSocket: "start the engine there, or name another one with DOCKER_HOST or docker context use",
  Refused: "start the engine there, or name another one with DOCKER_HOST or docker context use",
  Permission: "be root, or in the group that owns the engine's socket (mostly docker)",
  Dns: "correct the name in DOCKER_HOST or the docker context",
  Tls: "correct DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or the docker context",
  Ssh: "see whether this works: ssh HOST docker system dial-stdio",
  Timeout: "see the engine's log, and the network to it",
  Silent: "see the engine's log, and the network to it",
  Lost: "see the engine's log, and the network to it",
  Other: "see the engine's log, and the network to it"
}

/** Why the engine that we talk to does not tell about itself. */
export const explainEngine = (error: EngineFailure): Trouble =>
  error._tag === "EngineUnreachable"
    ? { found: `no connection to ${error.host}: ${error.detail}`, next: nextFor[error.reason] }
    : { found: error.message, next: "is it a Docker engine? Name another one with DOCKER_HOST or docker context use" }

/** Explains why a helper on a node, or the connection to it, does not work. */
export const explainHelper = (error: RunError, node: string): Trouble => {
  switch (error._tag) {
    case "NodeUnavailable":
      return { found: `it is ${error.state} now`, next: `check the engine on ${node}` }
    case "HelperImageUnavailable":
      return {
        found: `cannot get ${error.image}: ${error.reason}`,
        next: provideImage(error.image, node).join(". ")
      }
    case "HelperRejected":
      return { found: `refuses the helper: ${error.reason}`, next: `see the log of the engine on ${node}` }
    case "HelperNotPlaced": {
      const reason = error.reason === "" ? "" : ` (${error.reason})`
      return {
        found: `the helper was still ${error.state} after ${error.after / 1000} s${reason}`,
        next: nextAfter(error.state, node)
      }
    }
    case "HelperFailed":
      return {
        found: `the helper did not begin: ${error.detail}`,
        next: `is ${error.image} an image of task-exec, for this kind of machine? Build it and push it again`
      }
    case "HelperRefused":
      return { found: error.detail, next: newImage }
    case "UsernsRemapped":
      return {
        found: `user namespaces are remapped: root in a helper is user ${error.uid} there, who may not open the engine's socket`,
        next: `run setfacl -m u:${error.uid}:rw /var/run/docker.sock on ${node}, or point DOCKER_HOST at it if it is a manager`
      }
    case "OverlayBlocked":
      return {
        found: `the helper could not be reached for ${error.after / 1000} s (${error.detail}); -i, -t and cp need it`,
        next: "open UDP 4789 and TCP and UDP 7946 between all nodes"
      }
    case "RelayFailed":
      return {
        found: `cannot start a relay on the engine at ${error.host}: ${error.detail}`,
        next: `the engine there must be able to run ${error.image} on overlay networks`
      }
    default:
      return { found: error.message, next: `see the log of the engine on ${node}` }
  }
}

/** What to do about an image of another version. */
export const newImage = `build the image of version ${version}, push it, and name it with ${imageSettings}`

const nextAfter = (state: string, node: string): string => {
  if (state === "preparing") return `pull the image on ${node} once, or allow more time with --timeout`
  if (state === "new" || state === "pending") return `see whether ${node} has memory and CPU left: docker node inspect`
  return `see the log of the engine on ${node}, or allow more time with --timeout`
}
