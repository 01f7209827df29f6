/** `npm run docs`: generates the reference, the manual pages and the API pages. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { generatedFiles } from "./Files.ts"

for (const [name, content] of generatedFiles()) {
  const file = join(import.meta.dirname, "..", "..", name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}
