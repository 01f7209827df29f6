/**
 * Makes `task-exec` and `swarm-exec` one executable file that needs no Node: Node with the bundle inside (Node's "single executable
 * application").
 *
 * Node prepares the content, and at its start looks for it as an ELF note. We add the note: only versions of Node whose Linux builds need
 * libatomic can do that themselves (`--build-sea`), see `Runtime.ts`.
 */
import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { rolldown } from "rolldown"
import { bundled } from "../../rolldown.config.ts"
import { eagerFunctions } from "../bundle/EagerFunctions.ts"
import { nodeOptions, v8Options } from "../bundle/NodeOptions.ts"
import { withNote } from "../image/Elf.ts"
import { attempt, inProject, NotPackaged, scratch } from "../image/Step.ts"

/** The parts of the file. */
export interface ExecutableOptions {
  /** Path of the Node in the file. */
  readonly node: string
  /** Path of a Node of the same version that this machine can run. */
  readonly builderNode: string
}

const noteName = "NODE_SEA_BLOB"
/** Node looks for the note if this text ends with 1. */
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:"

const writeBundle = async (file: string) => {
  await using bundle = await rolldown(bundled(inProject("adapters/skopos/main.ts"), [eagerFunctions]))
  // import() does not work with the code cache. The bundle imports only built-in modules.
  await bundle.write({ file, format: "cjs", minify: true, codeSplitting: false, dynamicImportInCjs: false })
}

/** Returns the bytes of the executable file. */
export const singleExecutable = Effect.fn("SingleExecutable.make")(function* ({
  builderNode,
  node
}: ExecutableOptions) {
  const folder = yield* scratch(tmpdir())
  const main = join(folder, "task-exec.cjs")
  yield* attempt("bundle task-exec", () => writeBundle(main))
  const config = {
    main,
    output: join(folder, "note"),
    disableExperimentalSEAWarning: true,
    // V8 rejects compiled code of another architecture.
    useCodeCache: builderNode === node,
    // NODE_OPTIONS must not apply to it.
    execArgvExtension: "none",
    execArgv: nodeOptions
  }
  const configFile = join(folder, "config.json")
  yield* attempt(`prepare task-exec with ${builderNode}`, async () => {
    await writeFile(configFile, JSON.stringify(config))
    await promisify(execFile)(builderNode, [...v8Options, "--experimental-sea-config", configFile])
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
