/** The reason why a node rejected a helper's task. */
import type { Task } from "../engine/EngineSchemas.ts"
import { HelperImageUnavailable, HelperRejected } from "./HelperErrors.ts"

/**
 * Texts of errors about an image: the engine's, the registry's (OCI distribution specification, "Error Codes"), and those of the
 * connection to the registry. Engines before 29.6 say "No such image" for every reason; later ones report the error of the pull
 * (moby#52698, moby#53212).
 */
const aboutImages = [
  /\bimages?\b|\bmanifest|\bregistry\b|\bpull(?:ing)?\b|\bresolve reference\b|\bblob\b|\blayer\b/i,
  /unauthorized|authorization|authentication|basic auth|(?:^|: )denied: |toomanyrequests/i,
  /https?:\/\/|https? (?:response|client)|net\/http|x509: |tls: |tls handshake|dial tcp|no such host/i
]

/** Returns the registry of a reference, `HOST:PORT`, if it names one. */
const registryOf = (image: string): string | undefined => /^([^/]*[.:][^/]*|localhost)\//.exec(image)?.[1]

/** Whether the node could not get the image. A node that has made a container has the image. */
const lacksImage = (image: string, { ContainerStatus, Err = "", Message }: Task["Status"]): boolean => {
  if ((ContainerStatus?.ContainerID ?? "") !== "") return false
  // Swarm's name of the phase in which the node pulls the image and creates the container.
  if (Message !== "preparing" && Message !== "") return false
  const registry = registryOf(image)
  return aboutImages.some((words) => words.test(Err)) || (registry !== undefined && Err.includes(registry))
}

/** Returns the error for a rejected task. `node`: host name. */
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
