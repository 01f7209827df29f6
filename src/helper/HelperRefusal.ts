/** Why a node turned a helper's task away. */
import type { Task } from "../engine/EngineSchemas.ts"
import { HelperImageUnavailable, HelperRejected } from "./HelperErrors.ts"

/**
 * What only those texts have that are about an image: the engine's own, the registry's (OCI distribution specification, "Error
 * Codes"), and those of the way to the registry. Engines before 29.6 say "No such image" whatever the reason; later ones give the
 * error of the pull where the image is missing (moby#52698, moby#53212).
 */
const aboutImages = [
  /\bimages?\b|\bmanifest|\bregistry\b|\bpull(?:ing)?\b|\bresolve reference\b|\bblob\b|\blayer\b/i,
  /unauthorized|authorization|authentication|basic auth|(?:^|: )denied: |toomanyrequests/i,
  /https?:\/\/|https? (?:response|client)|net\/http|x509: |tls: |tls handshake|dial tcp|no such host/i
]

/** The registry in a reference, `HOST:PORT`, if it names one. */
const registryOf = (image: string): string | undefined => /^([^/]*[.:][^/]*|localhost)\//.exec(image)?.[1]

/** Whether the node has no container because it could not get the image. With a container it had the image. */
const lacksImage = (image: string, { ContainerStatus, Err = "", Message }: Task["Status"]): boolean => {
  if ((ContainerStatus?.ContainerID ?? "") !== "") return false
  // Swarm's word for the phase in which the node pulls and creates. Nothing else is rejected in another one.
  if (Message !== "preparing" && Message !== "") return false
  const registry = registryOf(image)
  return aboutImages.some((words) => words.test(Err)) || (registry !== undefined && Err.includes(registry))
}

/** The error for a task that was rejected. `node`: host name. */
export const refusalOf = (
  image: string,
  node: string,
  status: Task["Status"]
): HelperImageUnavailable | HelperRejected => {
  const reason = status.Err ?? status.Message
  return lacksImage(image, status)
    ? new HelperImageUnavailable({ image, node, reason })
    : new HelperRejected({ node, reason })
}
