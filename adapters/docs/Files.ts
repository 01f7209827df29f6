/** The files that `npm run docs` generates from the help of the commands and the docs of the library. */
import { join } from "node:path"
import { api } from "./Api.ts"
import { commands } from "./Commands.ts"
import { errorsPage } from "./ErrorsPage.ts"
import { manPage } from "./ManPage.ts"
import { reference } from "./Reference.ts"

/** Returns the name and content of each file. Reads the declarations that the build makes. */
export const generatedFiles = (): ReadonlyMap<string, string> =>
  new Map([
    ["docs/reference.md", reference()],
    ["docs/errors.md", errorsPage()],
    ...api(join(import.meta.dirname, "..", "..", "dist", "lib")),
    ...commands.map((command) => [`man/${command.name}.1`, manPage(command)] as const)
  ])
