/**
 * Makes V8 compile functions together with the program, instead of at their first call. Node's compile cache holds only functions that are
 * compiled with the program. A run calls about 2000 functions of the bundle; compiling them took 30 of 200 ms.
 *
 * V8 compiles a function in parentheses at once, because it is likely to be called immediately. For functions that are not called this is
 * a waste, so `eager.json` lists the declarations whose functions runs call. `bench/Eager.ts` generates it.
 */
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import type { Plugin } from "rolldown"
import { declarationsOf, insert } from "./Declarations.ts"
import eager from "./eager.json" with { type: "json" }

/** Names of top-level declarations by module ({@link moduleName}). */
export type EagerNames = Readonly<Record<string, ReadonlyArray<string>>>

/** The file that lists them. */
export const eagerFile = fileURLToPath(new URL("eager.json", import.meta.url))

const project = fileURLToPath(new URL("../..", import.meta.url))

/** A module's path relative to the project. */
export const moduleName = (id: string): string => relative(project, id)

/** Puts every function of these declarations in parentheses. */
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

/** Puts the functions of `eager.json` in parentheses. */
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
