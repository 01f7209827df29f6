/**
 * Starts a program of the image. For a run that is `image-serve`, else `task-exec`, or the program that the first word names:
 * `docker run IMAGE task-exec web.2 true`, `docker run IMAGE swarm-exec inst_exec`.
 *
 * `image-serve` is compiled when the image is built. Node's own cache has what is compiled when a program is loaded, without the
 * functions that are compiled when they are first called, which is most of what a helper runs. This cache has all of them.
 *
 * `image-start.cjs --compile` writes the cache. A node with another kind of CPU, and Node with other options, do without it;
 * `NODE_DEBUG=task-exec` says whether it was taken.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { debuglog } from "node:util"
import { setFlagsFromString } from "node:v8"
import { Script } from "node:vm"
import { imageCommands } from "../../src/ImageCommands.ts"

const folder = dirname(__filename)
const served = join(folder, "image-serve.cjs")
const called = join(folder, "swarm-exec.cjs")
const cache = join(folder, "image-serve.cache")

/** As Node itself does with a CommonJS module. */
const names = ["exports", "require", "module", "__filename", "__dirname"]
const source = () => `(function (${names.join(", ")}) {${readFileSync(served, "utf8").replace(/^#!.*/, "")}\n})`

const compile = (): void => {
  setFlagsFromString("--no-lazy")
  const script = new Script(source(), { filename: served })
  // The cache is for the options that it is written with.
  setFlagsFromString("--lazy")
  writeFileSync(cache, script.createCachedData())
}

const serve = (): void => {
  // An image that was built on another kind of machine has no cache.
  const cachedData = existsSync(cache) ? readFileSync(cache) : undefined
  const script = new Script(source(), { filename: served, ...(cachedData === undefined ? {} : { cachedData }) })
  const state = cachedData === undefined ? "missing" : script.cachedDataRejected === true ? "rejected" : "accepted"
  debuglog("task-exec")("the compiled program is %s", state)
  const program: unknown = script.runInThisContext()
  const module = { exports: {} }
  if (typeof program === "function") program(module.exports, createRequire(served), module, served, folder)
}

if (process.argv[2] === "--compile") {
  compile()
  // What comes behind it shows that the program runs.
  process.argv.splice(2, 1)
}
const [, , first] = process.argv
const isForRun = Object.values<string | undefined>(imageCommands).includes(first)
if (isForRun) {
  process.argv[1] = served
  serve()
} else {
  // The program goes by its name, as it does outside of the image.
  const isNamed = first === "task-exec" || first === "swarm-exec"
  process.argv.splice(1, isNamed ? 2 : 1, join(folder, isNamed ? first : "task-exec"))
  createRequire(called)(called)
}
