import { defineConfig, type InputOptions, type Plugin } from "rolldown"
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

/**
 * What Node is started with, here and in the Dockerfile.
 *
 * - Chunks of 64 KiB that have gone through are garbage until the young generation is full, and V8 makes that as large as it
 *   likes: with 1 MiB of it, callers took 97 to 115 MB for 1000 MB where they took 119 and 157, and no longer.
 * - Node takes `--env-file` for its own wherever it stands, behind the program too, unless there is `--` before the program.
 */
export const heapOptions = ["--max-semi-space-size=1"]
export const nodeOptions = [...heapOptions, "--"]

/** A shell can say that everywhere, `env -S` not. To Node its line is a text and a comment. */
const interpreter = `#!/bin/sh\n':' //; exec node ${nodeOptions.join(" ")} "$0" "$@"`

/** The oldest Node that will do, said before anything that an older one may not understand is run. */
const check = (name: string): string => {
  const oldest = manifest.engines.node.replace(">=", "")
  const [major, minor] = oldest.split(".")
  const message = `"${name}: needs Node ${oldest} or newer, and this is "+process.version+"\\n"`
  return `{let[a,b]=process.versions.node.split(".");if(a<${major}||a==${major}&&b<${minor}){process.stderr.write(${message});process.exitCode=125;return}}`
}

/** What all bundles are made of. */
export const bundled = (input: string) =>
  ({
    input,
    platform: "node",
    // CommonJS has no import.meta; Effect asks for it in a way that does without.
    transform: { define: { "import.meta": "{}" } },
    plugins: [withoutUnused]
  }) satisfies InputOptions

const bundle = (input: string, name: string) =>
  defineConfig({
    ...bundled(input),
    output: {
      file: `dist/${name}.cjs`,
      format: "cjs",
      minify: true,
      codeSplitting: false,
      banner: 'require("node:module").enableCompileCache?.()',
      // After the minifier, which has no use for comments, and knows of no return here.
      postBanner: `${interpreter}\n${check(name)}`
    }
  })

export default [bundle("adapters/cli/main.ts", "task-exec"), bundle("adapters/skopos/main.ts", "swarm-exec")]
