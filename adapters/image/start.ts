/**
 * Starts a program of the image: `image-serve` for a run, else the program that the first word names, or `task-exec`
 * (`docker run IMAGE task-exec web.2 true`, `docker run IMAGE swarm-exec inst_exec`).
 *
 * `image-serve` has a compile cache that is made with the image. Node's own cache holds only functions that are compiled when a program is
 * loaded. This cache also holds functions that are compiled at their first call, which are most of those that a helper runs.
 *
 * `image-start.cjs --compile WORD…` writes the cache, and then starts the program for WORD, which shows that the image's programs run. V8
 * rejects a cache on another type of CPU and with other options. The program then runs without it.
 * With `NODE_DEBUG=task-exec`, a line on stderr says whether V8 accepted it.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { debuglog } from "node:util"
import { setFlagsFromString } from "node:v8"
import { Script } from "node:vm"
import { imageCommands } from "../../src/ImageCommands.ts"

const folder = dirname(__filename)
const serveFile = join(folder, "image-serve.cjs")
const commandFile = join(folder, "swarm-exec.cjs")
const cache = join(folder, "image-serve.cache")

/** The parameters with which Node wraps a CommonJS module. */
const names = ["exports", "require", "module", "__filename", "__dirname"]
const source = () => `(function (${names.join(", ")}) {${readFileSync(serveFile, "utf8").replace(/^#!.*/, "")}\n})`

const compile = (): void => {
  setFlagsFromString("--no-lazy")
  const script = new Script(source(), { filename: serveFile })
  // V8 accepts a cache only with the options with which it was written.
  setFlagsFromString("--lazy")
  writeFileSync(cache, script.createCachedData())
}

const serve = (): void => {
  // An image that was built on another architecture has no cache.
  const cachedData = existsSync(cache) ? readFileSync(cache) : undefined
  const script = new Script(source(), { filename: serveFile, ...(cachedData === undefined ? {} : { cachedData }) })
  const state = cachedData === undefined ? "missing" : script.cachedDataRejected === true ? "rejected" : "accepted"
  debuglog("task-exec")("the compiled program is %s", state)
  const program: unknown = script.runInThisContext()
  const module = { exports: {} }
  if (typeof program === "function") program(module.exports, createRequire(serveFile), module, serveFile, folder)
}

if (process.argv[2] === "--compile") {
  compile()
  process.argv.splice(2, 1)
}
const [, , first] = process.argv
const isForRun = Object.values<string | undefined>(imageCommands).includes(first)
if (isForRun) {
  process.argv[1] = serveFile
  serve()
} else {
  // The program sees its own name as the first word, as it does outside of the image.
  const isNamed = first === "task-exec" || first === "swarm-exec"
  process.argv.splice(1, isNamed ? 2 : 1, join(folder, isNamed ? first : "task-exec"))
  createRequire(commandFile)(commandFile)
}
