import { readFile } from "node:fs/promises"
import { hostname, userInfo } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type AuditRecord, connect } from "../../src/promise.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, type ProcessOptions, program, taskExec, temporaryFolder, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const folder = temporaryFolder("audit")

const Line = Schema.fromJsonString(
  Schema.Struct({
    who: Schema.Struct({
      user: Schema.String,
      uid: Schema.Int,
      sudo: Schema.optionalKey(Schema.String),
      host: Schema.String,
      as: Schema.optionalKey(Schema.String)
    }),
    action: Schema.Literals(["exec", "copy"]),
    run: Schema.optionalKey(Schema.String),
    start: Schema.String,
    end: Schema.String,
    target: Schema.Record(Schema.String, Schema.String),
    route: Schema.String,
    command: Schema.optionalKey(Schema.Array(Schema.String)),
    env: Schema.optionalKey(Schema.Array(Schema.String)),
    outcome: Schema.Unknown,
    bytes: Schema.Record(Schema.String, Schema.Int),
    read: Schema.optionalKey(Schema.Array(Schema.String)),
    recording: Schema.optionalKey(Schema.String)
  })
)
const decodeLine = Schema.decodeUnknownEffect(Line)

const linesOf = Effect.fnUntraced(function* (file: string) {
  const text = yield* Effect.promise(() => readFile(file, "utf8"))
  assert.isTrue(text.endsWith("\n"))
  return yield* Effect.forEach(text.trimEnd().split("\n"), (line) => decodeLine(line))
})

/** `swarm-exec` with these arguments, on the swarm's first manager. */
const swarmExec = Effect.fn("swarmExec")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* program("swarm-exec.cjs", args, {
    ...options,
    env: { DOCKER_HOST: manager.dockerHost, ...options.env }
  })
})

layer(Web.layer("audit"), { excludeTestServices: true, timeout: "180 seconds" })("the audit file", (it) => {
  it.effect("has one line per run in a task, on every route, without values of variables", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const file = join(yield* folder, "audit.jsonl")
      const flags = ["--audit-file", file, "--audit-user", "night shift", "-e", "PASSWORD=s3cret"]
      const at = { local: web.target(web.local), remote: web.target(web.remote) }
      assert.strictEqual((yield* taskExec([...flags, at.local, "sh", "-c", "echo $PASSWORD; exit 3"])).code, 3)
      assert.strictEqual((yield* taskExec([...flags, at.remote, "sh", "-c", "echo out; echo err >&2"])).code, 0)
      const env = { TASK_EXEC_AUDIT_FILE: file }
      const cast = `${file}.cast`
      const recorded = yield* taskExec(["-i", "--record", cast, at.remote, "cat"], { env, input: "hello" })
      assert.deepStrictEqual([recorded.code, recorded.stdout.toString()], [0, "hello"])
      const [header, ...events] = (yield* Effect.promise(() => readFile(cast, "utf8"))).trimEnd().split("\n")
      assert.match(
        header ?? "",
        /^\{"version":2,"width":80,"height":24,"timestamp":\d+,"command":"task-exec audit\.\d cat"/
      )
      assert.match(events.join(" "), /^\[\d+(?:\.\d+)?,"o","hello"\]$/)
      // Continuing input uses the tunnel, and so does the response to it.
      const tunnel = ["-i", at.remote, "head", "-c", "5"]
      assert.strictEqual((yield* taskExec(tunnel, { env, input: "hello", keepsInput: true })).code, 0)
      assert.strictEqual(
        (yield* taskExec(["--timeout", "1", "--grace", "1", at.local, "sleep", "4321"], { env })).code,
        124
      )
      assert.strictEqual((yield* taskExec([at.local, "no-such-command"], { env })).code, 126)
      assert.strictEqual((yield* taskExec(["-d", at.local, "true"], { env })).code, 0)

      const lines = yield* linesOf(file)
      assert.deepStrictEqual(
        lines.map(({ bytes, outcome, route }) => ({ bytes: Object.values(bytes), outcome, route })),
        [
          { bytes: [0, 7, 0], outcome: { exitCode: 3 }, route: "local" },
          { bytes: [0, 4, 4], outcome: { exitCode: 0 }, route: "helper" },
          { bytes: [5, 5, 0], outcome: { exitCode: 0 }, route: "helper" },
          { bytes: [5, 5, 0], outcome: { exitCode: 0 }, route: "helper" },
          { bytes: [0, 0, 0], outcome: { error: "ExecTimeout" }, route: "local" },
          { bytes: [0, 0, 0], outcome: { error: "CommandNotFound" }, route: "local" },
          { bytes: [0, 0, 0], outcome: { detached: true }, route: "local" }
        ]
      )
      const [first, second, third] = lines
      assert.deepStrictEqual([second?.recording, third?.recording], [undefined, cast])
      const { uid, username } = userInfo()
      assert.deepInclude(first?.who, { user: username, uid, host: hostname(), as: "night shift" })
      assert.deepStrictEqual(first?.command, ["sh", "-c", "echo $PASSWORD; exit 3"])
      assert.deepStrictEqual(first?.env, ["PASSWORD"])
      assert.deepStrictEqual(second?.target, {
        service: "audit",
        task: at.remote,
        taskId: web.remote.id,
        node: web.nodeOf(web.remote).name,
        container: web.remote.containerId
      })
      assert.isTrue(lines.every(({ end, start }) => Date.parse(start) <= Date.parse(end)))
      assert.notInclude(yield* Effect.promise(() => readFile(file, "utf8")), "s3cret")
    })
  )

  it.effect("has one line per task of a fan-out, per copy, and per run of the plugin and swarm-exec exec", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const file = join(yield* folder, "audit.jsonl")
      const env = { TASK_EXEC_AUDIT_FILE: file }
      assert.strictEqual((yield* taskExec(["--all", web.name, "sh", "-c", "echo hi"], { env })).code, 0)
      const all = yield* linesOf(file)
      assert.deepStrictEqual(
        new Set(all.map(({ bytes, outcome, target }) => `${target.task} ${bytes.stdout} ${JSON.stringify(outcome)}`)),
        new Set(web.tasks.map((task) => `${web.target(task)} 3 {"exitCode":0}`))
      )

      assert.strictEqual((yield* taskExec(["cp", `${web.target(web.local)}:/etc/passwd`, "-"], { env })).code, 0)
      assert.strictEqual((yield* taskExec(["cp", `${web.target(web.local)}:/none`, "-"], { env })).code, 125)
      const input = JSON.stringify({ inst: [{ id: web.local.id }], command: "true" })
      assert.strictEqual((yield* swarmExec(["inst_exec"], { env, input })).code, 0)
      assert.strictEqual((yield* swarmExec(["exec", web.local.containerId, "true"], { env })).code, 0)
      const more = (yield* linesOf(file)).slice(all.length)
      assert.deepStrictEqual(
        more.map(({ action, command, outcome, read, target }) => ({
          action,
          did: command ?? read,
          outcome,
          at: target.task
        })),
        [
          { action: "copy", did: ["/etc/passwd"], outcome: { copied: true }, at: web.target(web.local) },
          { action: "copy", did: ["/none"], outcome: { error: "PathNotFound" }, at: web.target(web.local) },
          { action: "exec", did: ["true"], outcome: { exitCode: 0 }, at: web.target(web.local) },
          { action: "exec", did: ["true"], outcome: { exitCode: 0 }, at: web.target(web.local) }
        ]
      )
      assert.isAbove(more[0]?.bytes.out ?? 0, 1024)
    })
  )

  it.effect("records denied commands", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const file = join(yield* folder, "audit.jsonl")
      const env = { TASK_EXEC_AUDIT_FILE: file }
      const name = "audit-policy"
      yield* service(manager.socket, { name, image, node: manager.name, labels: { "task-exec.allow": "false" } })
      yield* waitRunning(manager.socket, name, 1)
      assert.strictEqual((yield* taskExec([name, "true"], { env })).code, 125)
      assert.strictEqual((yield* taskExec(["cp", `${name}:/etc/passwd`, "-"], { env })).code, 125)
      assert.deepStrictEqual(
        (yield* linesOf(file)).map(({ action, outcome }) => [action, outcome]),
        [
          ["exec", { error: "PolicyDenied" }],
          ["copy", { error: "PolicyDenied" }]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("stops a run if it cannot be opened, and fails it if it cannot be written", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const exec = (file: string, ...command: ReadonlyArray<string>) =>
        taskExec(["-q", "--audit-file", file, web.target(web.local), ...command])
      const refused = yield* exec("/none/audit", "echo", "it ran")
      assert.deepStrictEqual([refused.code, refused.stdout.toString()], [125, ""])
      assert.match(
        refused.stderr,
        /^task-exec: cannot open the audit file \/none\/audit, so nothing was run: no such file or directory\n$/
      )
      const unwritten = yield* exec("/dev/full", "echo", "it ran")
      assert.deepStrictEqual([unwritten.code, unwritten.stdout.toString()], [125, "it ran\n"])
      assert.match(
        unwritten.stderr,
        /^task-exec: cannot write the audit file \/dev\/full, so the record is incomplete: .*\n$/
      )
      assert.strictEqual((yield* exec("/dev/full", "sh", "-c", "exit 3")).code, 3)
    })
  )

  it.effect("has the records that the library passes to onAudit", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const records: Array<AuditRecord> = []
      yield* Effect.promise(async () => {
        const swarm = await connect({ host: manager.dockerHost, onAudit: (record) => records.push(record) })
        await swarm.run({ target: web.target(web.local), command: ["echo", "hi"] })
        await swarm.close()
      })
      assert.deepStrictEqual(
        records.map(({ outcome, target }) => [target.task, outcome]),
        [[web.target(web.local), { exitCode: 0 }]]
      )
    })
  )
})
