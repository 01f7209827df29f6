import { defineConfig, type Plugin } from "rolldown"

/**
 * dockerode loads its gRPC sessions (BuildKit) and docker-modem loads ssh2 at start, 0.2 s for what we never use:
 * `ssh://` hosts are reached through the `ssh` command. In the bundles both are empty.
 */
const withoutUnused: Plugin = {
  name: "without-unused",
  load: {
    filter: { id: [/dockerode\/lib\/session\.js$/, /docker-modem\/lib\/ssh\.js$/] },
    handler: () => "module.exports = function () { throw new Error('left out of the bundle') }"
  }
}

const bundle = (input: string, file: string) =>
  defineConfig({
    input,
    platform: "node",
    // CommonJS has no import.meta; Effect asks for it in a way that does without.
    transform: { define: { "import.meta": "{}" } },
    plugins: [withoutUnused],
    output: {
      file,
      format: "cjs",
      minify: true,
      codeSplitting: false,
      banner: '#!/usr/bin/env node\nrequire("node:module").enableCompileCache?.()'
    }
  })

export default [
  bundle("adapters/cli/main.ts", "dist/task-exec.cjs"),
  bundle("adapters/skopos/main.ts", "dist/swarm-exec.cjs")
]
