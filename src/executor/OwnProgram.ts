/** The program that this code runs in, to be started once more or copied. */
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

/** The file: a bundle, the executable that a bundle is inside of or, in the library, the bundle beside it. */
export const ownFile = (): string =>
  typeof __filename === "string"
    ? __filename
    : join(dirname(createRequire(import.meta.url).resolve("task-exec/package.json")), "dist", "swarm-exec.cjs")

/** What starts it: Node and the file, or the file alone where Node is in it. */
export const ownCommand = (): readonly [string, ...ReadonlyArray<string>] => {
  const file = ownFile()
  return file === process.execPath ? [file] : [process.execPath, file]
}
