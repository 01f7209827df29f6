/** `npm run docs`: writes what is made of the commands' and the library's own words. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { madeFiles } from "./Files.ts"

for (const [name, content] of madeFiles()) {
  const file = join(import.meta.dirname, "..", "..", name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}
