import { chmod, writeFile } from "node:fs/promises"
import * as Result from "effect/Result"
import { defineConfig, type InputOptions, type OutputOptions, type Plugin } from "rolldown"
import { eagerFunctions } from "./adapters/bundle/EagerFunctions.ts"
import { nodeOptions } from "./adapters/bundle/NodeOptions.ts"
import { parseImageRef } from "./adapters/image/ImageRef.ts"
import manifest from "./package.json" with { type: "json" }

/**
 * Parts of dockerode that task-exec never uses, but that dockerode loads at its start: gRPC and protobuf (BuildKit), tar (build contexts), ssh2
 * (task-exec reaches `ssh://` hosts through the `ssh` command), and a stream library for connections that are not hijacked. The bundles have
 * empty modules in their place, which makes them 170 KB smaller and their start 8 ms faster.
 */
const unused = [
  /dockerode\/lib\/(?:session|buildkit)\.js$/,
  /docker-modem\/lib\/(?:ssh|http_duplex)\.js$/,
  /node_modules\/(?:tar-fs|split-ca|@balena\/dockerignore)\//
]
export const withoutUnused: Plugin = {
  name: "without-unused",
  load: {
    filter: { id: unused },
    handler: () => "module.exports = function () { throw new Error('left out of the bundle') }"
  }
}

const onUse = "\0on-use:"

/**
 * Loads some of Node's modules at their first use. Each takes 1 to 6 ms to load, together 12 ms. Most runs need few of them, and only while
 * they wait for an engine. Works for names that the program does not read while it is loaded.
 */
const loadedOnUse: Plugin = {
  name: "loaded-on-use",
  resolveId: {
    filter: { id: /^(?:node:)?(?:child_process|crypto|fs\/promises|https?|tls|v8|zlib)$/ },
    handler: (id) => `${onUse}node:${id.replace("node:", "")}`
  },
  load: {
    filter: { id: /^\0on-use:/ },
    handler: async (id) => {
      const name = id.slice(onUse.length)
      const names = Object.keys(await import(name)).filter((key) => key !== "default")
      return `let loaded
for (const key of ${JSON.stringify(names)})
  Object.defineProperty(exports, key, { enumerable: true, get: () => (loaded ??= process.getBuiltinModule("${name}"))[key] })`
    }
  }
}

/**
 * Sets the folder of Node's compile cache, which saves 20 of 60 ms of the start. The variable must be set before Node starts: a program that
 * enables the cache is already compiled. Node runs the code in the cache, so a folder of another user is not used: `sudo -E` and `su` can
 * leave HOME to that user.
 */
const cache = `[ -O "\${XDG_CACHE_HOME:-$HOME}" ] && export NODE_COMPILE_CACHE="\${NODE_COMPILE_CACHE-\${XDG_CACHE_HOME:-$HOME/.cache}/task-exec}"`

/** The first lines of a program. Not every system has `env -S`. sh runs the second line; for Node it is a string and a comment. */
const interpreter = `#!/bin/sh\n':' //; ${cache}; exec node ${nodeOptions.join(" ")} "$0" "$@"`

/** Returns code that reports an older Node than the oldest supported one. It runs before code that such a Node cannot parse or run. */
const check = (name: string): string => {
  const oldest = manifest.engines.node.replace(">=", "")
  const [major, minor] = oldest.split(".")
  const message = `"${name}: needs Node ${oldest} or newer, and this is "+process.version+"\\n"`
  return `{let[a,b]=process.versions.node.split(".");if(a<${major}||a==${major}&&b<${minor}){process.stderr.write(${message});process.exitCode=125;return}}`
}

/** Makes the programs executable. npm does that only for an installed package. */
const executable: Plugin = {
  name: "executable",
  writeBundle: async ({ file }) => {
    if (file !== undefined) await chmod(file, 0o755)
  }
}

/** The image that is published with this build. A release sets the variable, which replaces `src/PublishedImage.ts` in bundles and library. */
const publishedImage = process.env.TASK_EXEC_PUBLISHED_IMAGE ?? ""
if (publishedImage !== "") Result.getOrThrow(parseImageRef(publishedImage))
const publishedModule = `export const publishedImage = ${publishedImage === "" ? "undefined" : JSON.stringify(publishedImage)}\n`
const published: Plugin = {
  name: "published",
  load: { filter: { id: /\/src\/PublishedImage\.ts$/ }, handler: () => publishedModule }
}
const publishedLibrary: Plugin = {
  name: "published-library",
  writeBundle: () => writeFile("dist/lib/PublishedImage.js", publishedModule)
}

/** Returns the input options of a bundle. */
export const bundled = (input: string, plugins: ReadonlyArray<Plugin> = []) =>
  ({
    input,
    platform: "node",
    // CommonJS has no import.meta. Effect works without its properties.
    transform: { define: { "import.meta": "{}" } },
    plugins: [withoutUnused, loadedOnUse, published, ...plugins],
    // A warning about slow plugins depends on the machine, and `npm run package` would print it.
    checks: { bundlerTimings: false }
  }) satisfies InputOptions

/** The programs and their entry modules. Only the image has `image-serve`, which `image-start` starts. */
export const programs = {
  "task-exec": "adapters/cli/main.ts",
  "swarm-exec": "adapters/skopos/main.ts",
  "image-serve": "adapters/helper/main.ts"
} as const

/** Returns the output options of a program. */
export const written = (name: keyof typeof programs) =>
  ({
    format: "cjs",
    minify: true,
    codeSplitting: false,
    // The minifier would remove the comment, and rejects the return.
    postBanner: `${interpreter}\n${check(name)}`
  }) satisfies OutputOptions

const program = (name: keyof typeof programs, ...plugins: ReadonlyArray<Plugin>) =>
  defineConfig({
    ...bundled(programs[name], [executable, ...plugins]),
    output: { ...written(name), file: `dist/${name}.cjs` }
  })

/** A small program of the image, which starts faster without a compile cache. */
const small = (input: string, name: string) =>
  defineConfig({
    ...bundled(input),
    output: { file: `dist/${name}.cjs`, format: "cjs", minify: true, codeSplitting: false }
  })

export default [
  program("task-exec", eagerFunctions, publishedLibrary),
  program("swarm-exec", eagerFunctions),
  program("image-serve"),
  small("adapters/helper/AgentEntry.ts", "agent-entry"),
  small("adapters/image/start.ts", "image-start")
]
