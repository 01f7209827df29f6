/**
 * `npm run package [-- --arch ARCH]... [--node FILE] [--out FOLDER]`: makes `task-exec` one file that needs no Node.
 *
 * The result goes to stdout, progress to stderr. Exit codes: 0 made, 1 failed, 2 wrong usage.
 */
import { createHash } from "node:crypto"
import { copyFile, mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { parseElf } from "../image/Elf.ts"
import { architectures, runtime, version } from "../image/Runtime.ts"
import { attempt, NotPackaged } from "../image/Step.ts"
import { writeText } from "../Output.ts"
import { runTool } from "../ToolMain.ts"
import { singleExecutable } from "./SingleExecutable.ts"

const usage = `Usage: npm run package [-- --arch ARCH]... [--node FILE] [--out FOLDER]

Packs task-exec and Node ${version} into one executable file for Linux: FOLDER/task-exec-linux-ARCH. Writes SHA256SUMS and Node's
license to FOLDER, too. The name of the file selects the program: a name that starts with swarm-exec is the Skopos plugin,
docker-taskexec is a docker CLI plugin, and every other name is task-exec.

  --arch ARCH   x64 or arm64 (default: this machine's)
  --node FILE   use this Node instead of the one from the npm registry (this machine's architecture only)
  --out FOLDER  output directory (default: dist/package)
  --help        print this text`

/** The command line is invalid. */
class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}. See 'npm run package -- --help'.`
  }
  override get [Runtime.errorExitCode](): number {
    return 2
  }
}

const options = {
  arch: { type: "string", multiple: true },
  node: { type: "string" },
  out: { type: "string", default: "dist/package" },
  help: { type: "boolean" }
} as const

const main = Effect.gen(function* () {
  const { values } = yield* Effect.try({
    try: () => parseArgs({ options }),
    catch: (cause) => new WrongUsage({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
  if (values.help === true) return yield* writeText(1, `${usage}\n`)
  const here = yield* knownArch(process.arch)
  const wanted = yield* Effect.forEach(values.arch ?? [here], knownArch)
  if (process.platform !== "linux") {
    return yield* new NotPackaged({
      step: "package task-exec",
      detail: `only Linux is supported, not ${process.platform}`
    })
  }
  if (values.node !== undefined && values.arch !== undefined) {
    return yield* new WrongUsage({ detail: "--node and --arch cannot be combined" })
  }

  const builderNode = values.node ?? (yield* runtime(here))
  yield* attempt(`make ${values.out}`, () => mkdir(values.out, { recursive: true }))
  const sums: Array<string> = []
  for (const arch of new Set(wanted)) {
    const name = `task-exec-linux-${arch}`
    const path = join(values.out, name)
    const bytes = yield* singleExecutable({ node: arch === here ? builderNode : yield* runtime(arch), builderNode })
    yield* attempt(`write ${path}`, () => writeFile(path, bytes, { mode: 0o755 }))
    sums.push(`${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`)
    const libraries = Result.getOrElse(
      Result.map(parseElf(bytes), ({ needed }) => needed),
      () => []
    )
    yield* writeText(1, `${path} ${(bytes.length / 1e6).toFixed(0)} MB, needs ${libraries.join(" ")}\n`)
  }
  // A package with Node must contain its license and those of its parts.
  const license = join(dirname(builderNode), "..", "LICENSE")
  if (values.node === undefined) {
    yield* attempt("copy Node's license", () => copyFile(license, join(values.out, "LICENSE.node")))
  }
  yield* attempt("write SHA256SUMS", () => writeFile(join(values.out, "SHA256SUMS"), sums.join("")))
})

const knownArch = Effect.fnUntraced(function* (name: string) {
  const arch = architectures.find((one) => one === name)
  return (
    arch ??
    (yield* new WrongUsage({
      detail: `invalid architecture ${JSON.stringify(name)}: expected ${architectures.join(" or ")}`
    }))
  )
})

runTool(main)
