/**
 * `npm run eager`: finds the functions that runs call, for `adapters/bundle/eager.json`. Run it after an update of Effect, or after a
 * change of what a run calls. A function that is missing in the list is compiled at its first call.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { type Plugin, rolldown } from "rolldown"
import { declarationsOf, insert } from "../adapters/bundle/Declarations.ts"
import { type EagerNames, eagerFile, moduleName } from "../adapters/bundle/EagerFunctions.ts"
import { runMain } from "../adapters/RunMain.ts"
import { bundled, programs } from "../rolldown.config.ts"
import { SwarmCluster } from "../test/cluster/SwarmCluster.ts"
import { agents } from "./measures/Agent.ts"
import { makeStage, type Stage } from "./Stage.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-eager-"))),
  (dir) => Effect.promise(() => rm(dir, { recursive: true }))
)

/** The runs that must start fast: one for each route. */
const runsOf = ({ local, remote }: Stage): ReadonlyArray<ReadonlyArray<string>> => [
  ["--version"],
  [local.target, "true"],
  ["--via", "helper", remote.target, "echo", "out"],
  ["--via", "helper", "-i", remote.target, "cat"],
  ["--via", "agent", remote.target, "echo", "out"]
]

/** Separates the module and the declaration in the name of a function. */
const separator = "\t"

/** Makes every function report its first call. */
const telling: Plugin = {
  name: "telling",
  transform: {
    // The bundler's own modules begin with a NUL.
    filter: { id: /^[^\0].*\.[jt]s$/ },
    handler: (code, id) => {
      const texts = declarationsOf(code, id).flatMap(({ functions, name }) => {
        if (name === "") return []
        const call = `globalThis.called?.add(${JSON.stringify(`${moduleName(id)}${separator}${name}`)})`
        return functions.flatMap(({ body: { end, kind, start } }) =>
          kind === "block"
            ? [{ at: start + 1, text: `${call};` }]
            : [
                { at: start, text: `(${call},` },
                { at: end, text: ")" }
              ]
        )
      })
      return { code: insert(code, texts), map: null }
    }
  }
}

/** Runs before the program. `TOLD` names the file for the reports. */
const listener = `
globalThis.called = new Set()
process.on("exit", () => require("node:fs").appendFileSync(process.env.TOLD, [...called, ""].join("\\n")))`

const eager = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  const dir = yield* temporaryFolder
  const [program, before, told] = [join(dir, "task-exec.cjs"), join(dir, "listener.cjs"), join(dir, "told")]
  yield* Console.error("building")
  yield* Effect.promise(async () => {
    const options = bundled(programs["task-exec"], [telling])
    await using bundle = await rolldown(options)
    await bundle.write({ file: program, format: "cjs", codeSplitting: false })
    await writeFile(before, listener)
  })
  const stage = yield* makeStage()
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: dir,
    DOCKER_HOST: manager.dockerHost,
    TASK_EXEC_IMAGE: stage.image,
    TOLD: told
  }
  yield* agents({ env })
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  for (const run of runsOf(stage)) {
    yield* Console.error(`running task-exec ${run.join(" ")}`)
    yield* manager.exec(["env", "-i", ...variables, process.execPath, "--require", before, program, ...run])
  }
  const lines = (yield* Effect.promise(() => readFile(told, "utf8"))).trim().split("\n")
  const names = namesIn(lines)
  yield* Effect.promise(() => writeFile(eagerFile, `${JSON.stringify(names, null, 2)}\n`))
  yield* Console.log(`${Object.values(names).flat().length} declarations in ${Object.keys(names).length} modules`)
  return 0
}).pipe(
  Effect.scoped,
  Effect.provide(SwarmCluster.layer({ nodes: 3 })),
  Effect.catch((error) => Effect.as(Console.error(`eager: ${error.message}`), 1)),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

const namesIn = (lines: ReadonlyArray<string>): EagerNames => {
  const names: Record<string, Array<string>> = {}
  for (const line of [...new Set(lines)].toSorted()) {
    const [module = "", name = ""] = line.split(separator)
    names[module] = [...(names[module] ?? []), name]
  }
  return names
}

runMain(eager)
