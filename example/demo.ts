/**
 * `npm run demo`: starts a swarm of three nodes on this machine and runs commands in a container on another node than the
 * manager, with `task-exec` and with the Skopos plugin `swarm-exec`. Removes everything at the end.
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { buildImage } from "../adapters/image/Image.ts"
import { runMain } from "../adapters/RunMain.ts"
import { leftovers } from "../test/cluster/Leftovers.ts"
import { SwarmCluster } from "../test/cluster/SwarmCluster.ts"
import { type Ended, runProgram } from "./demo/Program.ts"
import { seconds, showCommand, showEnd, showLine, showOutput, showStep, showTitle } from "./demo/Screen.ts"
import { deployStack, stack } from "./demo/Stack.ts"

/** A command and its expected result. */
interface Case {
  readonly command: ReadonlyArray<string>
  /** Seconds. */
  readonly timeout?: number
  /** Exit code of `task-exec`. */
  readonly exitCode: number
  /** Output of the plugin, whose own exit code is 0 or 2. */
  readonly plugin: RegExp
  readonly output?: string
}

const cases = (where: string): ReadonlyArray<Case> => [
  { command: ["sh", "-c", 'echo "$(hostname) on $NODE"'], exitCode: 0, plugin: /"command"/, output: where },
  { command: ["true"], exitCode: 0, plugin: /"command"/ },
  { command: ["false"], exitCode: 1, plugin: /^exitcode:1 /m },
  { command: ["foobarnone"], exitCode: 126, plugin: /^exitcode:126 /m },
  { command: ["sleep", "5"], exitCode: 0, plugin: /"command"/ },
  { command: ["sleep", "60"], timeout: 2, exitCode: 124, plugin: /^timed out .*killed/m }
]

/** A word as a user types it. */
const quote = (word: string): string => (/^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** The difference from the expected end; undefined if there is none. */
const judge = (ended: Ended, exitCode: number, expected: RegExp | string | undefined): string | undefined => {
  if (ended.exitCode !== exitCode) return `expected exit code ${exitCode}`
  if (expected === undefined || `${ended.stdout}\n${ended.stderr}`.match(expected) !== null) return undefined
  return `expected ${expected} in the output`
}

/** Runs a part of the preparation and shows how long it took. */
const step = <A, E, R>(text: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const from = performance.now()
    const result = yield* effect
    showStep(text, performance.now() - from)
    return result
  })

/** The last line of the plugin's stderr, unless it is the line that every run starts with. */
const lastLine = (text: string): string => {
  const last = text.trimEnd().split("\n").at(-1) ?? ""
  return last.startsWith("EXEC: ") ? "" : last
}

const started = performance.now()

const demo = Effect.gen(function* () {
  const cluster = yield* SwarmCluster
  const { manager, nodes, registry } = cluster
  showStep("Start a manager (node-1) and two workers", performance.now() - started)
  const build = buildImage({
    endpoint: { _tag: "Unix", path: manager.socket },
    ref: `${registry}/task-exec:demo`,
    base: "scratch",
    push: true
  })
  const [image, { tasks }] = yield* Effect.all(
    [step("Build the helper's image", build), step("Deploy example/stack.yaml", deployStack())],
    { concurrency: 2 }
  )
  const task = tasks.find(({ nodeId, target }) => nodeId !== manager.nodeId && target.startsWith(`${stack}_back.`))
  if (task === undefined) return yield* Effect.fail(new Error(`no task of ${stack}_back runs on a worker`))
  const node = nodes.find(({ nodeId }) => nodeId === task.nodeId)?.name ?? task.nodeId
  const env = { DOCKER_HOST: manager.dockerHost, TASK_EXEC_IMAGE: image.ref }

  const show = Effect.fnUntraced(function* (args: ReadonlyArray<string>, exitCode: number, output?: string) {
    showCommand(["task-exec", ...args].map(quote).join(" "))
    const ended = yield* runProgram("dist/task-exec.cjs", args, { env })
    const wrong = judge(ended, exitCode, output)
    showOutput(ended.stdout)
    showOutput(ended.stderr)
    showEnd("", ended, wrong)
    return wrong === undefined
  })

  showTitle(`The caller talks to node-1 only. ${task.target} runs on ${node}:`)
  const results = [yield* show(["ls", "--stack", stack], 0, task.target)]
  const ofPlugin: Array<{ readonly line: string; readonly ended: Ended; readonly wrong: string | undefined }> = []
  for (const { command, exitCode, output, plugin, timeout } of cases(`${task.target.replace(".", "-")} on ${node}\n`)) {
    const options = timeout === undefined ? [] : ["--timeout", `${timeout}s`]
    const line = command.map(quote).join(" ")
    const input = JSON.stringify({
      inst: [{ id: task.id }],
      command: line,
      ...(timeout === undefined ? {} : { timeout })
    })
    // At the same time, so that the demo is shorter.
    const [isGood, ended] = yield* Effect.all(
      [
        show([...options, task.target, ...command], exitCode, output),
        runProgram("dist/swarm-exec.cjs", ["inst_exec", "--compact"], { env, input })
      ],
      { concurrency: 2 }
    )
    const wrong = judge(ended, exitCode === 0 ? 0 : 2, plugin)
    results.push(isGood, wrong === undefined)
    ofPlugin.push({ line: timeout === undefined ? line : `${line} (timeout ${timeout} s)`, ended, wrong })
  }

  showTitle("The Skopos plugin (swarm-exec inst_exec) ran the same commands. Its exit code is 0 or 2:")
  const width = Math.max(...ofPlugin.map(({ line }) => line.length))
  for (const { ended, line, wrong } of ofPlugin)
    showEnd(`  ${line.padEnd(width)}  `, ended, wrong, lastLine(ended.stderr))

  const left = yield* leftovers(cluster)
  showTitle(
    left.length === 0
      ? "task-exec left no service, secret, network, container or process on any node."
      : "task-exec left on the nodes:"
  )
  for (const item of left) showLine(item)
  const good = results.filter((result) => result).length
  const isGood = good === results.length && left.length === 0
  showLine(`${good} of ${results.length} commands ended as expected, in ${seconds(performance.now() - started)}.`)
  showLine(
    isGood
      ? "The swarm is being removed. docs/tutorial.md starts one that stays, for commands of your own."
      : "The swarm is being removed. See the lines marked WRONG."
  )
  return isGood ? 0 : 1
}).pipe(
  Effect.onInterrupt(() => Effect.sync(() => showTitle("Interrupted. The swarm is being removed."))),
  Effect.provide(SwarmCluster.layer({ nodes: 3 })),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

showTitle("task-exec runs commands in Swarm tasks. This demo does it on a real swarm of three nodes on this machine.")
runMain(
  demo.pipe(
    Effect.catch((error) =>
      Effect.sync(() => {
        process.stderr.write(`\ndemo: ${error.message}\n`)
        return 1
      })
    )
  )
)
