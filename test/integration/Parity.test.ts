import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { run } from "../cluster/Command.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { Agents, checkLeftoversMeanwhile, Web } from "./Harness.ts"
import { outcomeOf, outcomeOfDocker, type Program, shorten } from "./Parity.ts"
import { atTerminal, type ParityCase, piped } from "./ParityCases.ts"

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

/** The script's variables, and a folder of its own. */
const envOf = Effect.fnUntraced(function* (program: Program, place: "local" | "remote") {
  const web = yield* Web
  const { manager } = yield* SwarmCluster
  const files = yield* Files
  const task = web[place]
  return {
    DOCKER_HOST: program === "docker" ? web.nodeOf(task).dockerHost : manager.dockerHost,
    T: program === "docker" ? task.containerId : web.target(task),
    F: files.file,
    D: mkdtempSync(join(files.folder, "case-"))
  }
})

const outcomeHere = Effect.fnUntraced(function* (program: Program, place: "local" | "remote", one: ParityCase) {
  const env = yield* envOf(program, place)
  return yield* program === "docker" ? outcomeOfDocker(env, one) : outcomeOf(program, env, one)
})

const isRefusal = (stderr: string) => /^task-exec: .*\n$/.test(stderr.replaceAll("\r", ""))

/** What is not alike, if anything. */
const compare = Effect.fnUntraced(function* (place: "local" | "remote", one: ParityCase) {
  if (one.expected !== undefined) {
    const ours = yield* outcomeHere("task-exec", place, one)
    return JSON.stringify(ours) === JSON.stringify(one.expected)
      ? []
      : [{ case: one.name, expected: one.expected, ours }]
  }
  const [theirs, ours] = yield* Effect.all([outcomeHere("docker", place, one), outcomeHere("task-exec", place, one)])
  if (one.refused === true) {
    const said = "stderr" in ours ? ours.stdout + ours.stderr : ours.shown
    assert.include([126, 127], theirs.end, one.name)
    return ours.end === 126 && isRefusal(said) ? [] : [{ case: one.name, theirs, ours }]
  }
  return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [{ case: one.name, theirs, ours }]
})

/** A few at the same time: most of a run is waiting for Swarm. */
const compareAll = Effect.fnUntraced(function* (place: "local" | "remote", cases: ReadonlyArray<ParityCase>) {
  const differences = yield* Effect.forEach(cases, (one) => compare(place, one), { concurrency: 3 })
  assert.strictEqual(JSON.stringify(differences.flat(), shorten, 2), "[]")
})

layer(Files.layer.pipe(Layer.provideMerge(Web.layer("parity"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "equals docker exec on the node",
  (it) => {
    const all = [...piped, ...atTerminal]
    it.effect(
      "on the connected engine",
      () =>
        compareAll(
          "local",
          all.filter(({ local }) => local)
        ),
      480_000
    )
    it.effect(
      "by a helper on another node",
      () =>
        compareAll(
          "remote",
          all.filter(({ helper }) => helper)
        ),
      480_000
    )
    it.layer(Agents, { timeout: "180 seconds" })("by an agent on another node", (it) => {
      it.effect("pipes and files", () => compareAll("remote", piped), 480_000)
      it.effect("on a terminal", () => compareAll("remote", atTerminal), 480_000)
    })

    it.effect(
      "20 MB in both directions at once, on another node",
      () =>
        Effect.gen(function* () {
          const script = "head -c 20000000 /dev/urandom > $D/big; x -i $T cat < $D/big | sha256sum; sha256sum < $D/big"
          const { end, ...more } = yield* outcomeHere("task-exec", "remote", { name: "20 MB", script })
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
