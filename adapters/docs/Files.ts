/** What is made of the commands' and the library's own words, by the names of the files in the project's folder. */
import { join } from "node:path"
import { api } from "./Api.ts"
import { commands } from "./Commands.ts"
import { errorsPage } from "./Errors.ts"
import { manPage } from "./ManPage.ts"
import { reference } from "./Reference.ts"

/** Each file, and its content. Those of the library are read from what the build made. */
export const madeFiles = (): ReadonlyMap<string, string> =>
  new Map([
    ["docs/reference.md", reference()],
    ["docs/errors.md", errorsPage()],
    ...api(join(import.meta.dirname, "..", "..", "dist", "lib")),
    ...commands.map((command) => [`man/${command.name}.1`, manPage(command)] as const)
  ])
