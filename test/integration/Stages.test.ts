import { randomBytes } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run } from "../cluster/Command.ts"
import { remove } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { deriveImage, pullImage, pushImage } from "../cluster/Images.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, dist, taskExec, temporaryFolder, Web } from "./Harness.ts"
import { openPty, type PtyOptions, withoutStageLine } from "./Pty.ts"

checkLeftoversMeanwhile()

const wipe = "\r\x1b[K"

/** `task-exec` on a terminal. */
const atTerminal = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: PtyOptions["env"] = {}) {
  const { manager } = yield* SwarmCluster
  return yield* openPty([process.execPath, join(dist, "task-exec.cjs"), ...args], {
    env: { DOCKER_HOST: manager.dockerHost, TERM: "xterm", ...env }
  })
})

const Attribute = Schema.Struct({ key: Schema.String, value: Schema.Record(Schema.String, Schema.Unknown) })
const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String,
  attributes: Schema.Array(Attribute)
})
type Span = typeof Span.Type
const Traces = Schema.Struct({
  resourceSpans: Schema.Array(Schema.Struct({ scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) })) }))
})
const decodeTraces = Schema.decodeUnknownSync(Schema.fromJsonString(Traces))

/** A collector: its address, and the bodies that it received. */
const openCollector = Effect.gen(function* () {
  const bodies: Array<string> = []
  const server = yield* Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const made = createServer((request, response) => {
            const chunks: Array<Buffer> = []
            request.on("data", (chunk: Buffer) => chunks.push(chunk))
            request.on("end", () => {
              bodies.push(Buffer.concat(chunks).toString())
              response.setHeader("content-type", "application/json").end("{}")
            })
          })
          made.listen(0, "127.0.0.1", () => resolve(made))
        })
    ),
    (made) => Effect.sync(() => made.close())
  )
  const address = server.address()
  assert(typeof address === "object" && address !== null)
  return { endpoint: `http://127.0.0.1:${address.port}`, bodies }
})

/** The names of a span's ancestors, nearest first. */
const ancestors = (spans: ReadonlyArray<Span>, span: Span): ReadonlyArray<string> => {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId)
  return parent === undefined ? [] : [parent.name, ...ancestors(spans, parent)]
}

const Line = Schema.Struct({ time: Schema.String, level: Schema.String, message: Schema.String })
const decodeLine = Schema.decodeUnknownSync(Schema.fromJsonString(Line))

layer(Web.layer("stages"), { excludeTestServices: true, timeout: "180 seconds" })("the stages of a run", (it) => {
  it.effect("are spans at a collector and messages as JSON, on another node", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { bodies, endpoint } = yield* openCollector
      const flags = ["--log-format", "json", "--debug", "--timings", "-e", "TOKEN=hidden-value"]
      const script = 'test "$TOKEN" = hidden-value && echo out; exit 3'
      const { code, stderr, stdout } = yield* taskExec([...flags, web.target(web.remote), "sh", "-c", script], {
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }
      })
      assert.deepStrictEqual([code, stdout.toString()], [3, "out\n"], stderr)

      const lines = stderr
        .trimEnd()
        .split("\n")
        .map((line) => decodeLine(line))
      assert.isTrue(
        lines.some(({ level, message }) => level === "debug" && message.startsWith("task stages.")),
        stderr
      )
      assert.deepStrictEqual(
        lines.filter(({ level }) => level !== "debug").map(({ level, message }) => [level, message]),
        [["info", "timings"]]
      )

      const spans = bodies.flatMap((body) =>
        decodeTraces(body).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
      )
      const [root, ...others] = spans.filter(({ parentSpanId }) => parentSpanId === undefined)
      assert.deepStrictEqual([root?.name, others], ["task-exec", []])
      const named = (name: string) => {
        const found = spans.filter((span) => span.name === name)
        assert.isNotEmpty(found, name)
        return found
      }
      for (const span of spans) {
        assert.strictEqual(span.traceId, root?.traceId)
        if (span !== root) assert.strictEqual(ancestors(spans, span).at(-1), "task-exec", span.name)
      }
      for (const name of ["find", "place", "run"].map((stage) => `TaskExec.stage.${stage}`)) {
        for (const span of named(name)) assert.include(ancestors(spans, span), "TaskExec.stream", name)
      }
      for (const span of named("TaskExec.lookup")) {
        assert.deepStrictEqual(ancestors(spans, span).slice(0, 1), ["TaskExec.stage.find"])
      }
      const [place] = named("TaskExec.stage.place")
      assert.deepInclude(place?.attributes ?? [], { key: "node", value: { stringValue: web.nodeOf(web.remote).name } })
      named("TaskExec.remove")
      for (const text of [...bodies, stderr]) assert.notInclude(text, "hidden-value")
    }).pipe(Effect.scoped)
  )

  it.effect("are a status line on a terminal, which is erased before the first byte by the tunnel", () =>
    Effect.gen(function* () {
      const web = yield* Web
      // The command ends at a key, which needs the tunnel.
      const command = [web.target(web.remote), "sh", "-c", "stty -echo; printf 'first\\r\\n'; read -r key"]
      const [told, quiet] = yield* Effect.all(
        [atTerminal(["--timings", "-it", ...command]), atTerminal(["-q", "-it", ...command])],
        { concurrency: 2 }
      )
      for (const one of [told, quiet]) {
        yield* one.see(/first/)
        one.type("\r")
      }
      const node = web.nodeOf(web.remote).name
      const { code, shown } = yield* told.end
      assert.strictEqual(code, 0, shown)
      const [line = "", after = ""] = shown.split(/(?=first)/)
      assert.match(line, new RegExp(`(?:placing|preparing|starting) the helper on ${node}`))
      assert.isTrue(line.endsWith(wipe), JSON.stringify(shown))
      assert.strictEqual(withoutStageLine(shown), after)
      assert.match(after, /^first\r\r?\ntask-exec: start task-exec .*\r\n/)
      // The helper's start and the command's start may be reported at once, with no time between.
      for (const stage of ["create the network", "start the relay", "place the helper", "connect", "run the command"]) {
        assert.match(after, new RegExp(`\\ntask-exec: ${stage} +\\d`), after)
      }
      assert.strictEqual(withoutStageLine((yield* quiet.end).shown), (yield* quiet.end).shown)
      assert.match((yield* quiet.end).shown, /^first\r\r?\n$/)
    }).pipe(Effect.scoped)
  )

  it.effect("include the progress of the relay's pull", () =>
    Effect.gen(function* () {
      const { manager, nodes, registry } = yield* SwarmCluster
      const web = yield* Web
      const dir = yield* temporaryFolder("pull")
      // A layer that the manager does not have: 60 MB of incompressible data.
      yield* Effect.promise(() => writeFile(join(dir, "layer"), randomBytes(60_000_000)))
      yield* run("tar", ["-C", dir, "-cf", join(dir, "files.tar"), "layer"])
      const worker = nodes.find(({ nodeId }) => nodeId === web.remote.nodeId) ?? manager
      const named = process.env.TASK_EXEC_IMAGE ?? ""
      const image = `${registry}/task-exec:with-a-layer`
      yield* Effect.acquireRelease(
        Effect.gen(function* () {
          yield* pullImage(worker.socket, named)
          yield* deriveImage(worker.socket, named, image, [], join(dir, "files.tar"))
          yield* pushImage(worker.socket, image)
        }),
        // Forced, because the engine may not have removed the helper's container yet.
        () =>
          Effect.forEach([manager, worker], ({ socket }) => Effect.orDie(remove(socket, `/images/${image}?force=true`)))
      )
      const pty = yield* atTerminal(["-it", web.target(web.remote), "echo", "there"], { TASK_EXEC_IMAGE: image })
      const [, done = "", total = ""] = yield* pty.see(
        /\rpulling the helper image {2}([\d.]+[kM]?B) \/ ([\d.]+[kM]?B)(?: {2}\d+ s)?\x1b\[K/
      )
      // That layer, and the few bytes of the image that are not shared with others.
      assert.match(total, /^60(?:\.\d)?MB$/, `${done} of ${total}`)
      const { code, shown } = yield* pty.end
      assert.deepStrictEqual([code, withoutStageLine(shown)], [0, "there\r\n"], shown)
    }).pipe(Effect.scoped)
  )

  it.effect("give way to log lines on a terminal, and return until Ctrl-C", () =>
    Effect.gen(function* () {
      const web = yield* Web
      // With a slow engine, the helper may run before the status line appears.
      const { manager } = yield* SwarmCluster
      const proxy = yield* engineProxy(manager.socket)
      proxy.slowDown(100)
      const pty = yield* atTerminal(["--debug", web.target(web.remote), "sleep", "1000"], {
        DOCKER_HOST: proxy.dockerHost
      })
      yield* pty.see(/\x1b\[K\r\x1b\[Ktask-exec: started as exec \w+\r\n\rrunning\x1b\[K/)
      pty.type("\x03")
      const { code, shown } = yield* pty.end
      assert.strictEqual(code, 130, shown)
      const [, after = ""] = shown.split(/(?<=\rrunning\x1b\[K)/)
      assert.match(after, /^\^C\r\x1b\[K/)
      assert.notInclude(after.replace(/^\^C\r\x1b\[K/, ""), "\x1b[K")
    }).pipe(Effect.scoped)
  )

  it.effect("are erased before an error and after Ctrl-C", () =>
    Effect.gen(function* () {
      const target = "stages.99"
      const waits = yield* atTerminal(["--wait=600s", target, "true"])
      yield* waits.see(/\rwaiting for stages\.99\x1b\[K/)
      waits.type("\x03")
      const interrupted = yield* waits.end
      assert.deepStrictEqual([interrupted.code, interrupted.shown.endsWith(wipe)], [130, true], interrupted.shown)

      const args = ["--wait=2s", target, "true"]
      const [late, dumb] = yield* Effect.all([atTerminal(args), atTerminal(args, { TERM: "dumb" })], {
        concurrency: 2
      })
      const { code, shown } = yield* late.end
      assert.strictEqual(code, 125, shown)
      assert.match(shown, /\rwaiting for stages\.99/)
      const error = /^task-exec: timed out after 2 s waiting for "stages\.99": .*\r\n$/
      assert.match(withoutStageLine(shown), error)
      assert.match((yield* dumb.end).shown, error)
    }).pipe(Effect.scoped)
  )
})
