/** The default image of helpers, and the next step if a node can't get an image. */
import { publishedImage } from "../PublishedImage.ts"
import { version } from "../Version.ts"

/**
 * The image if neither the request, the environment nor the configuration file names one: the image that was published with this build.
 *
 * **Gotchas**: a build from a checkout has no published image. Its default image must already be on the nodes.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultImage: string = publishedImage ?? `task-exec:${version}`

/** Whether this is the default image of a build from a checkout, which is in no known registry. */
export const isUnpublished = (image: string): boolean => publishedImage === undefined && image === defaultImage

/** The settings that name the helper's image, for messages. */
export const imageSettings = '--image, TASK_EXEC_IMAGE, or "image" in ~/.config/task-exec/config.json'

/** Returns two lines of a message: how to make the image available to the node, and how to name another image. */
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
