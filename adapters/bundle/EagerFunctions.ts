/**
 * Has V8 compile functions with the program rather than each when it is first called. Only what is compiled with the program is
 * in the compile cache that Node keeps, and what is in there needs not be compiled at all: a run calls some two thousand functions
 * of the bundle, which took 30 of its 200 ms.
 *
 * V8 does so with a function in parentheses, as it takes it for one that is called at once. For one that is never called it is a
 * waste, so `eager.json` names the declarations whose functions runs have been seen to call; `bench/Eager.ts` makes it.
 */
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import type { Plugin } from "rolldown"
import { declarationsOf, insert } from "./Declarations.ts"
import eager from "./eager.json" with { type: "json" }

/** Of each module, by {@link moduleName}, the names of declarations at its top. */
export type EagerNames = Readonly<Record<string, ReadonlyArray<string>>>

/** Where they are kept. */
export const eagerFile = fileURLToPath(new URL("eager.json", import.meta.url))

const project = fileURLToPath(new URL("../..", import.meta.url))

/** A module's path in the project, wherever that is. */
export const moduleName = (id: string): string => relative(project, id)

/** The module's text, with every function of those declarations in parentheses. */
export const parenthesize = (code: string, id: string, names: ReadonlyArray<string>): string =>
  insert(
    code,
    declarationsOf(code, id)
      .filter(({ name }) => names.includes(name))
      .flatMap(({ functions }) => functions)
      .flatMap(({ end, start }) => [
        { at: start, text: "(" },
        { at: end, text: ")" }
      ])
  )

/** Does that with what `eager.json` names. */
export const eagerFunctions: Plugin = {
  name: "eager-functions",
  transform: {
    filter: { id: /\.[jt]s$/ },
    handler: (code, id) => {
      const all: EagerNames = eager
      const names = all[moduleName(id)]
      return names === undefined ? null : { code: parenthesize(code, id, names), map: null }
    }
  }
}
