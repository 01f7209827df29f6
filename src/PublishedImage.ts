/**
 * The image that was published together with this build. `npm run build` reads it from the variable `TASK_EXEC_PUBLISHED_IMAGE`, which a
 * release sets to the image in its own repository. `undefined` in a build from a checkout.
 */
export const publishedImage: string | undefined = undefined
