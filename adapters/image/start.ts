/**
 * Starts a program of the image: `swarm-exec`, or for a run `image-serve`, which is there ready compiled. Node's own cache has
 * what is compiled when a program is loaded, and not the functions that are compiled when they are first called, which is most of
 * what a helper runs. Here all of them are in it.
 *
 * `image-start.cjs --compile` writes the cache. A node with another kind of CPU, and Node with other options, do without it;
 * `NODE_DEBUG=task-exec` says whether it was taken.
 */
import { readFileSync, writeFileSync } from "node:fs"
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
  const script = new Script(source(), { filename: served, cachedData: readFileSync(cache) })
  debuglog("task-exec")("the compiled program is %s", script.cachedDataRejected === true ? "rejected" : "accepted")
  const program: unknown = script.runInThisContext()
  const module = { exports: {} }
  if (typeof program === "function") program(module.exports, createRequire(served), module, served, folder)
}

if (process.argv[2] === "--compile") {
  compile()
  // What comes behind it shows that the program runs.
  process.argv.splice(2, 1)
}
const isForRun = Object.values<string | undefined>(imageCommands).includes(process.argv[2])
process.argv[1] = isForRun ? served : called
if (isForRun) serve()
else createRequire(called)(called)
