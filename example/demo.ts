/**
 * `npm run demo`: a swarm of three real nodes on this machine, and commands in a container on another node than the
 * manager, by the command `task-exec` and by the Skopos plugin `swarm-exec`. Nothing of it stays.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import { buildImage } from "../adapters/image/Image.ts"
import { runMain } from "../adapters/RunMain.ts"
import { leftovers } from "../test/cluster/Leftovers.ts"
import { SwarmCluster } from "../test/cluster/SwarmCluster.ts"
import { type Ended, runProgram } from "./demo/Program.ts"
import { seconds, showCommand, showDone, showEnd, showLine, showOutput, showTitle } from "./demo/Screen.ts"
import { deployStack, stack } from "./demo/Stack.ts"

/** A command, and how it is to end. */
interface Case {
  readonly command: ReadonlyArray<string>
  /** Seconds. */
  readonly timeout?: number
  /** Exit code of `task-exec`. */
  readonly exitCode: number
  /** The same in the words of the plugin, whose own exit code is 0 or 2. */
  readonly plugin: RegExp
  readonly output?: string
}

const cases = (where: string): ReadonlyArray<Case> => [
  { command: ["sh", "-c", 'echo "I am $(hostname) on $NODE"'], exitCode: 0, plugin: /"command"/, output: where },
  { command: ["true"], exitCode: 0, plugin: /"command"/ },
  { command: ["false"], exitCode: 1, plugin: /^exitcode:1 /m },
  { command: ["foobarnone"], exitCode: 126, plugin: /^exitcode:126 /m },
  { command: ["sleep", "5"], exitCode: 0, plugin: /"command"/ },
  {
    command: ["sleep", "60"],
    timeout: 2,
    exitCode: 124,
    plugin: /^timed out waiting for command to complete .*killed/m
  }
]

/** A word as one would type it. */
const quote = (word: string): string => (/^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** What is wrong with an end, if anything. */
const judge = (ended: Ended, exitCode: number, wanted: RegExp | string | undefined): string | undefined => {
  const text = `${ended.stdout}\n${ended.stderr}`
  if (ended.exitCode !== exitCode) return `exit code ${exitCode} was expected`
  if (wanted === undefined || text.match(wanted) !== null) return undefined
  return `${wanted} was expected in the output`
}

/** Shows a command line, then how it ended; gives whether it ended as it should. */
const show = Effect.fnUntraced(function* (
  line: string,
  running: Fiber.Fiber<Ended, Error>,
  wrong: (ended: Ended) => string | undefined
) {
  showCommand(line)
  const ended = yield* Fiber.join(running)
  showOutput("stderr", ended.stderr)
  showOutput("stdout", ended.stdout)
  showEnd(ended.exitCode, ended.milliseconds, wrong(ended))
  return wrong(ended) === undefined
})

const started = performance.now()

const demo = Effect.gen(function* () {
  const cluster = yield* SwarmCluster
  const { manager, nodes, registry } = cluster
  showDone(`swarm      ${nodes.map(({ name, role }) => `${name} (${role})`).join(", ")}`, performance.now() - started)

  const [[imageTime, image], [stackTime, { tasks, way }]] = yield* Effect.all(
    [
      Effect.timed(
        buildImage({
          endpoint: { _tag: "Unix", path: manager.socket },
          ref: `${registry}/task-exec:demo`,
          base: "scratch",
          push: true
        })
      ),
      Effect.timed(deployStack())
    ],
    { concurrency: 2 }
  )
  showDone(`image      ${image.ref}, which the helpers are made of`, Duration.toMillis(imageTime))
  showDone(`services   ${way}`, Duration.toMillis(stackTime))

  const nodeOf = (id: string) => nodes.find(({ nodeId }) => nodeId === id)?.name ?? id
  showTitle("The tasks")
  for (const { id, nodeId, target } of tasks) showLine(`${target.padEnd(14)} ${nodeOf(nodeId).padEnd(8)} ${id}`)
  const task = tasks.find(({ nodeId, target }) => nodeId !== manager.nodeId && target.startsWith(`${stack}_back.`))
  if (task === undefined) return yield* Effect.fail(new Error("no task of the service back runs on a worker"))

  showTitle(`Commands for ${task.target} on ${nodeOf(task.nodeId)}, by the engine of ${manager.name} alone`)
  const env = { DOCKER_HOST: manager.dockerHost, TASK_EXEC_IMAGE: image.ref }
  const results: Array<boolean> = []
  const where = `I am ${task.target.replace(".", "-")} on ${nodeOf(task.nodeId)}\n`
  for (const { command, exitCode, output, plugin, timeout } of cases(where)) {
    const args = [...(timeout === undefined ? [] : ["--timeout", `${timeout}s`]), task.target, ...command]
    const input = JSON.stringify({
      inst: [{ id: task.id }],
      command: command.map(quote).join(" "),
      ...(timeout === undefined ? {} : { timeout })
    })
    // Both at the same time, to save yours.
    const byCommand = yield* Effect.forkChild(runProgram("dist/task-exec.cjs", args, { env }))
    const byPlugin = yield* Effect.forkChild(
      runProgram("dist/swarm-exec.cjs", ["inst_exec", "--compact"], { env, input })
    )
    results.push(
      yield* show(["task-exec", ...args].map(quote).join(" "), byCommand, (ended) => judge(ended, exitCode, output)),
      yield* show(`swarm-exec inst_exec --compact <<< ${quote(input)}`, byPlugin, (ended) =>
        judge(ended, exitCode === 0 ? 0 : 2, plugin)
      )
    )
  }

  showTitle("What is left")
  const left = yield* leftovers(cluster)
  for (const item of left) showLine(item)
  if (left.length === 0) showLine("no service, secret, network, container or process of task-exec, on any node")

  const good = results.filter((result) => result).length
  const ok = good === results.length && left.length === 0
  showTitle(
    `${good} of ${results.length} commands ended as expected, after ${seconds(performance.now() - started)} in all`
  )
  for (const line of ok ? farewell : ["Something went wrong: see the lines marked WRONG."]) showLine(line)
  return ok ? 0 : 1
}).pipe(
  Effect.onInterrupt(() => Effect.sync(() => showTitle("Interrupted: taking the swarm down"))),
  Effect.provide(SwarmCluster.layer({ nodes: 3 })),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

const farewell =
  `You saw commands run in a container on another node, started with nothing but the manager's Docker API: with
their own exit codes and output, killed with all that they had started when their time was up. task-exec is
for people and scripts, swarm-exec is the plugin for Skopos; both reach the node by a temporary service.

The swarm is going away now. For one that stays, and a command of your own:

  export PATH=$PWD/node_modules/.bin:$PATH
  npm run swarm -- up && eval "$(npm run --silent swarm -- env)"
  npm run image -- --base scratch --push $TASK_EXEC_IMAGE
  IMAGE=\${TASK_EXEC_IMAGE%/*}/busybox:1 docker stack deploy --compose-file example/stack.yaml demo
  node dist/task-exec.cjs demo_back.2 sh -c 'echo $NODE'     (--help tells more)
  node example/watch.ts demo_back.2                          (the library)
  npm run swarm -- down`.split("\n")

showTitle("task-exec: docker service exec, on a real swarm of three nodes on this machine")
runMain(
  demo.pipe(
    Effect.catch((error) =>
      Effect.sync(() => {
        process.stderr.write(`\nthe demo failed: ${error.message}\n`)
        return 1
      })
    )
  )
)
