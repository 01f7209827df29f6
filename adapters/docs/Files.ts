/** What is made of the commands' own words, by the names of the files in the project's folder. */
import { commands } from "./Commands.ts"
import { manPage } from "./ManPage.ts"
import { reference } from "./Reference.ts"

/** Each file, and its content. */
export const madeFiles = (): ReadonlyMap<string, string> =>
  new Map([
    ["docs/reference.md", reference()],
    ...commands.map((command) => [`man/${command.name}.1`, manPage(command)] as const)
  ])
