/** The file of the running program, to start the program again or to copy it. */
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

/** Returns the program's file: a bundle, an executable that contains a bundle or, in the library, the bundle in the package. */
export const ownFile = (): string =>
  typeof __filename === "string"
    ? __filename
    : join(dirname(createRequire(import.meta.url).resolve("task-exec/package.json")), "dist", "swarm-exec.cjs")

/** Returns the command that starts the program: Node and the file, or only the file if it contains Node. */
export const ownCommand = (): readonly [string, ...ReadonlyArray<string>] => {
  const file = ownFile()
  return file === process.execPath ? [file] : [process.execPath, file]
}
