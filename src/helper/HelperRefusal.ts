/** Finds the reason why a node rejected a helper's task. */
import type { Task } from "../engine/SwarmSchemas.ts"
import { HelperImageUnavailable, HelperRejected } from "./HelperErrors.ts"

/**
 * Matches texts of errors about an image: those of the engine, of the registry (OCI distribution specification, "Error Codes"), and of the
 * connection to the registry. Engines before 29.6 say "No such image" for every reason. Later engines report the error of the pull
 * (moby#52698, moby#53212).
 */
const aboutImages = [
  /\bimages?\b|\bmanifest|\bregistry\b|\bpull(?:ing)?\b|\bresolve reference\b|\bblob\b|\blayer\b/i,
  /unauthorized|authorization|authentication|basic auth|(?:^|: )denied: |toomanyrequests/i,
  /https?:\/\/|https? (?:response|client)|net\/http|x509: |tls: |tls handshake|dial tcp|no such host/i
]

/** Returns the registry in a reference, `HOST:PORT`, if there is one. */
const registryOf = (image: string): string | undefined => /^([^/]*[.:][^/]*|localhost)\//.exec(image)?.[1]

/** Whether the node could not get the image. A node that has created a container has the image. */
const lacksImage = (image: string, { ContainerStatus, Err = "", Message }: Task["Status"]): boolean => {
  if ((ContainerStatus?.ContainerID ?? "") !== "") return false
  // "preparing" is the phase in which the node pulls the image and creates the container.
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
