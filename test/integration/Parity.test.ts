import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { run, systemPath } from "../cluster/Command.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, dist, shell, Web } from "./Harness.ts"
import { atTerminal, type ParityCase, piped } from "./ParityCases.ts"
import { openPty, withoutStageLine } from "./Pty.ts"

checkLeftoversMeanwhile()

/** A folder here, with the file that the containers have too. */
class Files extends Context.Service<Files, { readonly folder: string; readonly file: string }>()(
  "task-exec/test/Files"
) {
  static readonly layer = Layer.effect(
    Files,
    Effect.gen(function* () {
      const web = yield* Web
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "task-exec-parity-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const file = join(folder, "random")
      writeFileSync(file, randomBytes(3_000_000))
      for (const task of [web.local, web.remote]) {
        const docker = ["-H", web.nodeOf(task).dockerHost, "cp", file, `${task.containerId}:/tmp/parity`]
        yield* run("docker", docker)
      }
      return Files.of({ folder, file })
    })
  )
}

/** The ways to run a command in a container. */
const programs = {
  docker: 'x() { docker exec "$@"; }',
  "task-exec": 'x() { "$NODE" "$BUNDLE" "$@"; }'
} as const

const outcomeOf = Effect.fnUntraced(function* (
  program: keyof typeof programs,
  place: "local" | "remote",
  { script, typed }: ParityCase
) {
  const web = yield* Web
  const { manager } = yield* SwarmCluster
  const files = yield* Files
  const task = web[place]
  const own = mkdtempSync(join(files.folder, "case-"))
  const env = {
    DOCKER_HOST: program === "docker" ? web.nodeOf(task).dockerHost : manager.dockerHost,
    T: program === "docker" ? task.containerId : web.target(task),
    F: files.file,
    D: own,
    NODE: process.execPath,
    BUNDLE: join(dist, "task-exec.cjs"),
    TERM: "xterm",
    // What stands before a command on a person's own search path may have something to say.
    PATH: systemPath
  }
  const whole = `set -o pipefail; ${programs[program]}; ${script}`
  if (typed === undefined) {
    const { code, signal, stderr, stdout } = yield* shell(whole, { env })
    return { end: signal ?? code, stdout: stdout.toString("latin1"), stderr }
  }
  const pty = yield* openPty(["bash", "-c", whole], { env })
  for (const [seen, keys] of typed) {
    yield* pty.see(seen)
    pty.type(keys)
  }
  const { after, before, code, shown } = yield* pty.end
  return { end: code, shown: program === "docker" ? shown : withoutStageLine(shown), restored: after === before }
}, Effect.scoped)

const isRefusal = (stderr: string) => /^task-exec: .*\n$/.test(stderr.replaceAll("\r", ""))

/** Asks docker again where its client lost the end of the output to a command that left input unread (20.10). */
const outcomeOfDocker = Effect.fnUntraced(function* (place: "local" | "remote", one: ParityCase) {
  for (let attempt = 1; ; attempt++) {
    const outcome = yield* outcomeOf("docker", place, one)
    const isCut = "stderr" in outcome && outcome.stderr.includes("connection reset by peer")
    if (!isCut || attempt === 10) return outcome
  }
})

/** What is not alike, if anything. */
const compare = Effect.fnUntraced(function* (place: "local" | "remote", one: ParityCase) {
  if (one.expected !== undefined) {
    const ours = yield* outcomeOf("task-exec", place, one)
    return JSON.stringify(ours) === JSON.stringify(one.expected)
      ? []
      : [{ case: one.name, expected: one.expected, ours }]
  }
  const [theirs, ours] = yield* Effect.all([outcomeOfDocker(place, one), outcomeOf("task-exec", place, one)])
  if (one.refused === true) {
    const said = "stderr" in ours ? ours.stdout + ours.stderr : ours.shown
    assert.include([126, 127], theirs.end, one.name)
    return ours.end === 126 && isRefusal(said) ? [] : [{ case: one.name, theirs, ours }]
  }
  return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [{ case: one.name, theirs, ours }]
})

const shorten = (_key: string, value: unknown) =>
  typeof value === "string" && value.length > 1000 ? `${value.slice(0, 1000)}… (${value.length})` : value

/** A few at the same time: most of a run is waiting for Swarm. */
const compareAll = Effect.fnUntraced(function* (place: "local" | "remote", cases: ReadonlyArray<ParityCase>) {
  const differences = yield* Effect.forEach(cases, (one) => compare(place, one), { concurrency: 3 })
  assert.strictEqual(JSON.stringify(differences.flat(), shorten, 2), "[]")
})

layer(Files.layer.pipe(Layer.provideMerge(Web.layer("parity"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "equals docker exec on the node",
  (it) => {
    it.effect("pipes and files, on another node", () => compareAll("remote", piped), 480_000)
    it.effect("on a terminal, on another node", () => compareAll("remote", atTerminal), 480_000)
    it.effect(
      "on the connected engine",
      () =>
        compareAll(
          "local",
          [...piped, ...atTerminal].filter(({ local }) => local)
        ),
      480_000
    )

    it.effect(
      "60 MB in both directions at once, on another node",
      () =>
        Effect.gen(function* () {
          const script = "head -c 60000000 /dev/urandom > $D/big; x -i $T cat < $D/big | sha256sum; sha256sum < $D/big"
          const { end, ...more } = yield* outcomeOf("task-exec", "remote", { name: "60 MB", script })
          assert.strictEqual(end, 0)
          assert("stdout" in more)
          const [back, sent] = more.stdout.split("\n")
          assert.strictEqual(back, sent)
          assert.strictEqual(more.stderr, "")
        }),
      480_000
    )
  }
)
