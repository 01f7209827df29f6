/** No terminal interprets text from other machines: file names, labels, host names, messages of engines. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { get } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, type ProcessResult, swarmExec, taskExec, temporaryFolder, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

/** Sets the clipboard, switches to red with a C1 control, reverses the direction of text, and starts a new line. */
const escapes = "a\u001b]52;c;aGk=\u0007\u009b31m\u202e\nb"
const shown = "a\\x1b]52;c;aGk=\\x07\\x9b31m\\u202e"

const isHarmless = (text: string, what: string) =>
  assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Bidi_Control}]/u, `${what}: ${JSON.stringify(text)}`)

/** Asserts that the output of a program, without output of a command, has no control characters. */
const areHarmless = ({ stderr, stdout }: ProcessResult, what: string) => {
  isHarmless(stderr, `stderr of ${what}`)
  isHarmless(stdout.toString(), `stdout of ${what}`)
}

const Hostnames = Schema.Array(
  Schema.Struct({ ID: Schema.String, Description: Schema.Struct({ Hostname: Schema.String }) })
)

const Tasks = Schema.Array(Schema.Struct({ Status: Schema.Struct({ State: Schema.String }) }))

layer(Web.layer("escapes"), { excludeTestServices: true, timeout: "240 seconds" })(
  "no control characters reach the terminal from",
  (it) => {
    it.effect("the name of a FIFO that cp skips", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const folder = yield* temporaryFolder("escapes")
        const { local, remote } = web
        for (const task of [local, remote]) {
          const made = yield* execIn(web.nodeOf(task).socket, task.containerId, [
            ...["sh", "-c", 'mkdir -p /tmp/named && mkfifo "/tmp/named/$1"', "sh"],
            escapes.replace("\n", "")
          ])
          assert.strictEqual(made.stdout, "")
          const copied = yield* taskExec(["cp", `${web.target(task)}:/tmp/named`, `${folder}/${task.slot}`])
          assert.strictEqual(copied.code, 0, copied.stderr)
          areHarmless(copied, "cp")
          assert.include(copied.stderr, `${shown}b is left out`)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("the error of a task that Swarm cannot start, which quotes its command line", () =>
      Effect.gen(function* () {
        const { image, manager } = yield* SwarmCluster
        yield* service(manager.socket, { name: "escapes-task", image, command: [escapes], restart: "none" })
        const query = { filters: JSON.stringify({ service: { "escapes-task": true } }) }
        yield* pollUntil(
          Effect.map(get(manager.socket, "/tasks", Tasks, { query }), (tasks) =>
            tasks.some(({ Status }) => ["failed", "rejected"].includes(Status.State))
          ),
          { atMost: 120_000, orElse: Effect.die("Swarm does not say that it can't be started") }
        )
        const forms = [[], ["--log-format", "json"], ["--debug"]]
        const runs = yield* Effect.forEach(
          forms,
          (flags) => Effect.map(taskExec([...flags, "--wait=1s", "escapes-task", "true"]), (run) => ({ flags, run })),
          { concurrency: forms.length }
        )
        for (const { flags, run } of runs) {
          assert.strictEqual(run.code, 125)
          areHarmless(run, flags.join(" "))
          assert.match(run.stderr, /a\\{1,2}(?:x1b|u001b)\]52;c;aGk=/)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("a container's label, a command's name, the engine's refusal, usage errors", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { image, manager } = yield* SwarmCluster
        yield* service(manager.socket, {
          name: "escapes-label",
          image,
          containerSpec: { Labels: { "task-exec.allow": escapes } }
        })
        yield* waitRunning(manager.socket, "escapes-label", 1)
        const proxy = yield* engineProxy(manager.socket, ({ line }) =>
          /^POST \S*\/exec$/.test(line) ? { status: 500, message: escapes } : "pass"
        )
        const local = web.target(web.local)
        const refused = { env: { DOCKER_HOST: proxy.dockerHost } }
        for (const flags of [[], ["--log-format", "json"], ["--debug"], ["-q"]]) {
          const runs = yield* Effect.all(
            {
              label: taskExec([...flags, "escapes-label", "true"]),
              command: taskExec([...flags, local, escapes]),
              refusal: taskExec([...flags, local, "true"], refused),
              target: taskExec([...flags, escapes, "true"]),
              flag: taskExec([...flags, `--${escapes}`, local, "true"])
            },
            { concurrency: 3 }
          )
          for (const [what, run] of Object.entries(runs)) {
            areHarmless(run, `${what} ${flags}`)
            assert.notStrictEqual(run.code, 0, what)
          }
        }
        // Results of tasks on stdout. The flags above change stderr only.
        const gathered = yield* taskExec(["--all", "--gather", web.name, escapes])
        const compared = yield* taskExec(["--all", "--diff", "escapes-label", "true"])
        for (const run of [gathered, compared]) {
          areHarmless(run, "--all")
          assert.notStrictEqual(run.code, 0)
        }
        areHarmless(yield* swarmExec(["exec", escapes, "true"]), "swarm-exec exec")
        areHarmless(yield* swarmExec([escapes]), "swarm-exec")
        areHarmless(yield* taskExec(["install-plugin", escapes]), "task-exec install-plugin")
        areHarmless(yield* taskExec(["cp", escapes, escapes]), "task-exec cp")
        areHarmless(yield* taskExec(["gc", "--run", escapes]), "task-exec gc")
      }).pipe(Effect.scoped)
    )

    it.effect("a node's host name, in lists, labels, headings, reports, errors, JSON", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        const node = web.nodeOf(web.remote)
        const hostname = `n\u001b[31m\u009bm\u202e`
        /** Waits until the managers know this host name, which nodes report every 20 s. */
        const called = (name: string) =>
          Effect.andThen(
            // The program `hostname` refuses such names, but the kernel accepts them.
            node.exec(["sh", "-c", 'printf %s "$1" > /proc/sys/kernel/hostname', "sh", name]),
            pollUntil(
              Effect.map(get(manager.socket, "/nodes", Hostnames), (nodes) =>
                nodes.some(({ Description, ID }) => ID === node.nodeId && Description.Hostname === name)
              ),
              { atMost: 120_000, orElse: Effect.die("the managers do not hear of the name") }
            )
          )
        yield* Effect.acquireRelease(called(hostname), () => Effect.orDie(called(node.name)))
        const at = `${web.name}@${node.nodeId}`
        const runs = yield* Effect.all(
          {
            list: taskExec(["--all", "--list", web.name]),
            lines: taskExec(["--all", web.name, "echo", "hi"]),
            gather: taskExec(["--all", "--gather", web.name, "hostname"]),
            json: taskExec(["--all", "--output", "json", web.name, "echo", "hi"]),
            debug: taskExec(["--debug", at, "true"]),
            failed: taskExec([at, "no-such-program"]),
            "json log": taskExec(["--log-format", "json", "--debug", at, "no-such-program"]),
            wrong: taskExec(["--all", "--node", "nowhere", web.name, "true"]),
            complete: taskExec(["__complete", "--node", ""]),
            targets: taskExec(["__complete", ""]),
            gc: taskExec(["gc", "--dry-run"]),
            doctor: taskExec(["doctor", "--no-network"]),
            "doctor as JSON": taskExec(["doctor", "--no-network", "--json"])
          },
          { concurrency: 3 }
        )
        for (const [what, run] of Object.entries(runs)) {
          areHarmless({ ...run, stdout: Buffer.from(run.stdout.toString().replaceAll("\t", "")) }, what)
        }
        assert.include(runs.list.stdout.toString(), "n\\x1b[31m\\x9bm\\u202e")
        assert.include(runs.json.stdout.toString(), "n\\u001b[31m\\u009bm\\u202e")
      }).pipe(Effect.scoped)
    )
  }
)
