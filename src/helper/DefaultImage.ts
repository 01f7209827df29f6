/** The default image of helpers, and what to do where a node cannot get its image. */
import { publishedImage } from "../PublishedImage.ts"
import { version } from "../Version.ts"

/**
 * The image for requests where neither the environment nor the configuration file names one: the image that was published with this build.
 *
 * **Gotchas**: a build from a checkout has no published image. The name then stands for an image that the nodes have already.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultImage: string = publishedImage ?? `task-exec:${version}`

/** Whether the default image is a mere name, which no registry is known to have: in a build from a checkout. */
export const isUnpublished = (image: string): boolean => publishedImage === undefined && image === defaultImage

/** The places that name the helper's image. */
export const imageSettings = '--image, TASK_EXEC_IMAGE, or "image" in ~/.config/task-exec/config.json'

/** Two lines: how to make the image available to the node, and how to name it. */
export const provideImage = (image: string, node: string): readonly [provide: string, name: string] =>
  isUnpublished(image)
    ? [
        `This build has no published image. Build one and push it: npm run image -- REGISTRY/task-exec:${version} --push`,
        `Then name it with ${imageSettings}`
      ]
    : [
        `Push it to a registry that ${node} can pull from, or load it on ${node} with docker load`,
        `Or name another image with ${imageSettings}`
      ]
