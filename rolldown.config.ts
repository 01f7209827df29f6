import { chmod, writeFile } from "node:fs/promises"
import * as Result from "effect/Result"
import { defineConfig, type InputOptions, type OutputOptions, type Plugin } from "rolldown"
import { eagerFunctions } from "./adapters/bundle/EagerFunctions.ts"
import { nodeOptions } from "./adapters/bundle/NodeOptions.ts"
import { parseImageRef } from "./adapters/image/ImageRef.ts"
import manifest from "./package.json" with { type: "json" }

/**
 * dockerode loads at start what we never use: gRPC sessions and protobuf (BuildKit),
 * tar (build contexts), ssh2 (`ssh://` hosts are reached through the `ssh` command), and docker-modem a stream library
 * for connections that it does not hijack. In the bundles all of these are empty: without the last four kinds alone they
 * are 170 KB smaller and start 8 ms sooner.
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
 * Modules of Node's that take 1 to 6 ms to load, 12 all together, each loaded when something of it is first used: most runs
 * need few of them, and need them while they wait for an engine. Only names that are read when they are used can wait so.
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
 * Where Node keeps the compiled program: that takes 20 of its 60 ms to start. By this variable, as a program that asks for it
 * is compiled by then. What is in there is run: not in a folder of somebody else's, which `sudo -E` and `su` may leave us.
 */
const cache = `[ -O "\${XDG_CACHE_HOME:-$HOME}" ] && export NODE_COMPILE_CACHE="\${NODE_COMPILE_CACHE-\${XDG_CACHE_HOME:-$HOME/.cache}/task-exec}"`

/** A shell can say that everywhere, `env -S` not. To Node its line is a text and a comment. */
const interpreter = `#!/bin/sh\n':' //; ${cache}; exec node ${nodeOptions.join(" ")} "$0" "$@"`

/** The oldest Node that will do, said before anything that an older one may not understand is run. */
const check = (name: string): string => {
  const oldest = manifest.engines.node.replace(">=", "")
  const [major, minor] = oldest.split(".")
  const message = `"${name}: needs Node ${oldest} or newer, and this is "+process.version+"\\n"`
  return `{let[a,b]=process.versions.node.split(".");if(a<${major}||a==${major}&&b<${minor}){process.stderr.write(${message});process.exitCode=125;return}}`
}

/** Makes a program executable, as its first line names its interpreter: npm does that for an installed package only. */
const executable: Plugin = {
  name: "executable",
  writeBundle: async ({ file }) => {
    if (file !== undefined) await chmod(file, 0o755)
  }
}

/**
 * The image that is published with this build (`src/PublishedImage.ts`): a release sets the variable. In the bundles it replaces the
 * module, in the library the module's file.
 */
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

/** What all bundles are made of. `plugins`: in place of the one that makes them start soon. */
export const bundled = (input: string, plugins: ReadonlyArray<Plugin> = [eagerFunctions]) =>
  ({
    input,
    platform: "node",
    // CommonJS has no import.meta; Effect asks for it in a way that does without.
    transform: { define: { "import.meta": "{}" } },
    plugins: [withoutUnused, loadedOnUse, published, ...plugins],
    // How long a plugin takes depends on the machine, and a warning about that would be among the errors of `npm run package`.
    checks: { bundlerTimings: false }
  }) satisfies InputOptions

/** The programs, and where each begins. The last one is in the image only, where `image-start` starts it. */
export const programs = {
  "task-exec": "adapters/cli/main.ts",
  "swarm-exec": "adapters/skopos/main.ts",
  "image-serve": "adapters/helper/main.ts"
} as const

/** How a program is written. */
export const written = (name: keyof typeof programs) =>
  ({
    format: "cjs",
    minify: true,
    codeSplitting: false,
    // After the minifier, which has no use for comments, and knows of no return here.
    postBanner: `${interpreter}\n${check(name)}`
  }) satisfies OutputOptions

const program = (name: keyof typeof programs, ...plugins: ReadonlyArray<Plugin>) =>
  defineConfig({
    ...bundled(programs[name], [eagerFunctions, executable, ...plugins]),
    output: { ...written(name), file: `dist/${name}.cjs` }
  })

/** A program of the image only, and so small that a cache would be slower. */
const small = (input: string, name: string) =>
  defineConfig({
    ...bundled(input),
    output: { file: `dist/${name}.cjs`, format: "cjs", minify: true, codeSplitting: false }
  })

export default [
  program("task-exec", publishedLibrary),
  program("swarm-exec"),
  program("image-serve"),
  small("adapters/helper/AgentEntry.ts", "agent-entry"),
  small("adapters/image/start.ts", "image-start")
]
