/**
 * The image that was published together with this build. `npm run build` takes it from the variable `TASK_EXEC_PUBLISHED_IMAGE`, which
 * a release sets to the image of its own repository. A build from a checkout has none.
 */
export const publishedImage: string | undefined = undefined
