/** A swarm in which the engine's description of one object is unreadable. The other responses are recorded from a real engine. */
import { readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { selectTasks } from "../../../src/fleet/Selection.ts"
import { lookupTask } from "../../../src/target/Lookup.ts"
import { parseTarget } from "../../../src/target/Target.ts"

const Objects = Schema.Array(Schema.Record(Schema.String, Schema.Json))
const Recorded = Schema.fromJsonString(Schema.Struct({ Task: Objects, Service: Objects, Node: Objects }))
const recorded = Schema.decodeSync(Recorded)(
  readFileSync(join(import.meta.dirname, "../engine/recorded/engine-28.5.json"), "utf8")
)

const Spec = Schema.Struct({ Spec: Schema.Struct({ Name: Schema.String }) })
const nameOf = (object: unknown): string => Schema.decodeUnknownSync(Spec)(object).Spec.Name
const Filters = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Array(Schema.String)))

/** The response of an engine, with filters applied; `undefined`: not found. `change` makes objects unreadable. */
const answer = (url: string, change: (object: (typeof Objects.Type)[number]) => object): unknown => {
  const { pathname, searchParams } = new URL(url, "http://engine")
  const filters = Schema.decodeSync(Filters)(searchParams.get("filters") ?? "{}")
  const begins = (text: unknown, key: string) => filters[key]?.some((word) => String(text).startsWith(word)) ?? true
  const services = recorded.Service.filter((object) => begins(nameOf(object), "name") && begins(object.ID, "id"))
  const owners = new Set(
    recorded.Service.filter((object) => begins(nameOf(object), "service") || begins(object.ID, "service")).map(
      ({ ID }) => ID
    )
  )
  const tasks = recorded.Task.filter(
    ({ DesiredState, ID, ServiceID }) =>
      begins(ID, "id") && owners.has(ServiceID ?? "") && begins(DesiredState, "desired-state")
  )
  const [, kind, id] = pathname.split("/")
  const all = kind === "tasks" ? tasks : kind === "services" ? services : recorded.Node
  if (id === undefined) return all.map(change)
  const found = all.find((object) => object.ID === id || (kind === "services" && nameOf(object) === id))
  return found === undefined ? undefined : change(found)
}

const engineWith = Effect.fnUntraced(function* (change: (object: (typeof Objects.Type)[number]) => object) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-strange-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const path = join(folder, "docker.sock")
  const server = createServer((request, response) => {
    const body = answer(request.url ?? "", change)
    if (body === undefined) response.statusCode = 404
    response.end(JSON.stringify(body ?? { message: "not found" }))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen({ path }, () => resume(Effect.void))
    }),
    () => Effect.promise(() => new Promise((done) => server.close(done)))
  )
  return Context.get(yield* Layer.build(Swarm.layerFor({ _tag: "Unix", path })), Swarm)
})

const idOf = (name: string) => recorded.Service.find((object) => nameOf(object) === name)?.ID
const web = recorded.Task.filter(({ ServiceID }) => ServiceID === idOf("web"))

describe("an unreadable object", () => {
  const kinds = {
    "a task": (object: object) => ("Slot" in object && object.Slot === 2 ? { ...object, Slot: "two" } : object),
    "a service": (object: object) =>
      "Spec" in object && "ID" in object && object.ID === idOf("job") ? { ...object, Spec: [] } : object,
    "a task without an ID": (object: object) =>
      "Slot" in object && object.Slot === 2 ? { ...object, ID: null } : object
  }
  for (const [kind, change] of Object.entries(kinds)) {
    it.live(`${kind}: does not hide the others`, () =>
      Effect.gen(function* () {
        const engine = yield* engineWith(change)
        const find = (text: string) =>
          Effect.provideService(lookupTask(Result.getOrThrow(parseTarget(text))), Swarm, engine)
        const first = web.find(({ Slot }) => Slot === 1)
        for (const target of ["web.1", String(first?.ID)]) assert.strictEqual((yield* find(target)).id, first?.ID)
      })
    )
  }

  it.live("is an error if it is the target", () =>
    Effect.gen(function* () {
      const engine = yield* engineWith(kinds["a task"])
      const target = Result.getOrThrow(parseTarget("web.2"))
      const error = yield* Effect.flip(Effect.provideService(lookupTask(target), Swarm, engine))
      const id = web.find(({ Slot }) => Slot === 2)?.ID
      assert.strictEqual(error._tag, "TaskNotFound")
      assert.match(
        error.message,
        new RegExp(
          `web has no slot 2 \\(it has slots 1\\); cannot list tasks on .*: unexpected response: ${id}: .*Slot`
        )
      )
    })
  )

  it.live("is reported when a fan-out skips it", () =>
    Effect.gen(function* () {
      const engine = yield* engineWith(kinds["a task"])
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void warnings.push(`${logLevel} ${message}`))
      const tasks = yield* selectTasks({ services: ["web"] }).pipe(
        Effect.provideService(Swarm, engine),
        Effect.provide(Logger.layer([logger]))
      )
      assert.deepStrictEqual(
        tasks.map(({ name }) => name),
        ["web.1"]
      )
      assert.match(
        warnings.join("\n"),
        /^Warn skipped an object that can't be read: cannot list tasks on .*: unexpected response: /
      )
    })
  )
})
