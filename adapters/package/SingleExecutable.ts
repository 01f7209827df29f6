/**
 * `task-exec` and `swarm-exec` as one file that runs where no Node is: a Node with the bundle inside (Node's "single executable application").
 *
 * Node makes what goes inside, and looks for it as a note in its memory. Putting it there is left to us, as Node's own way to do
 * it (`--build-sea`) is only in versions whose Linux builds want a library that few machines have; see `Runtime.ts`.
 */
import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { rolldown } from "rolldown"
import { bundled } from "../../rolldown.config.ts"
import { nodeOptions, v8Options } from "../bundle/NodeOptions.ts"
import { withNote } from "../image/Elf.ts"
import { attempt, inProject, NotPackaged, scratch } from "../image/Step.ts"

/** What goes into the file. */
export interface ExecutableOptions {
  /** The Node that is in it. */
  readonly node: string
  /** One of the same version that this machine can run; the same one where that is so. */
  readonly maker: string
}

const noteName = "NODE_SEA_BLOB"
/** Node looks for a note where this text ends with 1. */
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:"

const writeBundle = async (file: string) => {
  await using bundle = await rolldown(bundled(inProject("adapters/skopos/main.ts")))
  // The code cache knows nothing of import(), which only built-in modules are left for.
  await bundle.write({ file, format: "cjs", minify: true, codeSplitting: false, dynamicImportInCjs: false })
}

/** The executable file's bytes. */
export const singleExecutable = Effect.fn("SingleExecutable.make")(function* ({ maker, node }: ExecutableOptions) {
  const folder = yield* scratch(tmpdir())
  const main = join(folder, "task-exec.cjs")
  yield* attempt("bundle task-exec", () => writeBundle(main))
  const config = {
    main,
    output: join(folder, "note"),
    disableExperimentalSEAWarning: true,
    // Code for another processor would be refused.
    useCodeCache: maker === node,
    // NODE_OPTIONS are not for it.
    execArgvExtension: "none",
    execArgv: nodeOptions
  }
  const configFile = join(folder, "config.json")
  yield* attempt(`prepare task-exec with ${maker}`, async () => {
    await writeFile(configFile, JSON.stringify(config))
    await promisify(execFile)(maker, [...v8Options, "--experimental-sea-config", configFile])
  })
  const [program, content] = yield* attempt("read them", () => Promise.all([readFile(node), readFile(config.output)]))
  const at = program.indexOf(`${fuse}0`)
  if (at === -1 || program.indexOf(`${fuse}0`, at + 1) !== -1) {
    return yield* new NotPackaged({ step: `use ${node}`, detail: "it is not a Node that takes a program inside" })
  }
  program.write("1", at + fuse.length)
  return yield* Effect.mapError(
    Effect.fromResult(withNote(program, noteName, content)),
    (error) => new NotPackaged({ step: `put task-exec into ${node}`, detail: error.message })
  )
}, Effect.scoped)
