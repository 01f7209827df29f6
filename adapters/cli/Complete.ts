/**
 * Prints completion candidates for a command line. Speaks the protocol of cobra's `__complete`, which the docker CLI uses for its plugins:
 * one candidate per line, with a description after a tab, and a last line with a directive for the shell.
 */
import * as Effect from "effect/Effect"
import { Swarm } from "../../src/engine/Swarm.ts"
import { chooseEngine } from "../command/EngineChoice.ts"
import { scanFlags } from "../command/Flags.ts"
import { withEngine } from "../command/withEngine.ts"
import { writeAll, writeText } from "../Output.ts"
import { printable } from "../Printable.ts"
import { candidatesFor } from "./Candidates.ts"
import { completionContext } from "./CompletionContext.ts"
import { execFlags } from "./ExecFlags.ts"

/** Directives for the shell: use only these candidates, or complete file names. */
const only = ":4"
const files = ":0"

/** How long the engine may take. The user waits for the completion. */
const engineTimeout = "2 seconds"

/** Returns the value of a flag anywhere on the line. */
const given = (words: ReadonlyArray<string>, name: string): string | undefined => {
  const found = words.slice(0, -1).flatMap((_, at) => scanFlags(words.slice(0, -1), execFlags, at).flags)
  return found.findLast((flag) => flag.startsWith(`--${name}=`))?.slice(name.length + 3)
}

/** Prints the candidates for the last word. Prints none if the engine does not respond. */
export const complete = (words: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const context = completionContext(words)
    const last = words.at(-1) ?? ""
    const isFile = context._tag === "Value" && ["audit-file", "env-file", "out-dir", "record"].includes(context.flag)
    if (isFile || (context._tag === "Path" && /^[./~]/.test(last))) return yield* writeText(1, `${files}\n`)
    const choice = yield* chooseEngine(given(words, "host"), given(words, "context"))
    const candidates = yield* candidatesFor(context).pipe(
      Effect.provide(Swarm.layer),
      withEngine(choice),
      Effect.timeoutOrElse({ duration: engineTimeout, orElse: () => Effect.succeed([]) })
    )
    const before = "before" in context ? context.before : ""
    const lines = candidates
      .map(([word, description]) => [before + word, description] as const)
      .filter(([word]) => word.startsWith(last))
      // Skips names with characters that a shell could misinterpret. Such tasks can be named by ID.
      .filter(([word]) => word === printable(word))
      .map(([word, description]) => [word, ...(description === "" ? [] : [description])].map(printable).join("\t"))
    yield* writeAll(1, Buffer.from(`${[...lines, only].join("\n")}\n`))
  }).pipe(
    Effect.catch(() => Effect.ignore(writeText(1, `${only}\n`))),
    Effect.as(0)
  )
