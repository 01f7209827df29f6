/** Responses recorded from real engines are decoded even without any one of their fields, except those that name the object. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Api from "../../../src/engine/EngineSchemas.ts"
import * as SwarmApi from "../../../src/engine/SwarmSchemas.ts"

/** The required fields of each response. */
const names: Readonly<Record<string, ReadonlyArray<string>>> = {
  EngineVersion: ["Version", "ApiVersion"],
  Info: ["Name", "ServerVersion"],
  Event: []
}

const decoders: Readonly<Record<string, (reply: unknown) => Result.Result<object, Schema.SchemaError>>> = {
  EngineVersion: Schema.decodeUnknownResult(Api.EngineVersion),
  Info: Schema.decodeUnknownResult(Api.Info),
  Task: Schema.decodeUnknownResult(SwarmApi.Task),
  Service: Schema.decodeUnknownResult(SwarmApi.Service),
  Node: Schema.decodeUnknownResult(SwarmApi.Node),
  Network: Schema.decodeUnknownResult(SwarmApi.Network),
  Secret: Schema.decodeUnknownResult(SwarmApi.Secret),
  ContainerSummary: Schema.decodeUnknownResult(Api.ContainerSummary),
  Container: Schema.decodeUnknownResult(Api.Container),
  ImageSummary: Schema.decodeUnknownResult(Api.ImageSummary),
  Image: Schema.decodeUnknownResult(Api.Image),
  ExecInspect: Schema.decodeUnknownResult(Api.ExecInspect),
  Event: Schema.decodeUnknownResult(Api.Event)
}

type Path = ReadonlyArray<string>

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A response as the engine client passes it to a schema: without `null` values. */
const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === null ? [] : [[key, withoutNulls(item)]]))
  )
}

const pathsOf = (value: unknown, at: Path = []): ReadonlyArray<Path> => {
  if (Array.isArray(value)) return value.flatMap((item, index) => pathsOf(item, [...at, String(index)]))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([key, item]) => [[...at, key], ...pathsOf(item, [...at, key])])
}

/** The response without the values at these paths. */
const without = (value: unknown, dropped: ReadonlySet<string>, at: Path = []): unknown => {
  if (Array.isArray(value)) return value.map((item, index) => without(item, dropped, [...at, String(index)]))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      const path = [...at, key]
      return dropped.has(path.join(" ")) ? [] : [[key, without(item, dropped, path)]]
    })
  )
}

/** Whether Go's `omitempty` omits a value. It never omits a pointer to an empty struct, whose presence has a meaning. */
const isEmpty = (value: unknown): boolean =>
  value === 0 || value === "" || value === false || (Array.isArray(value) && value.length === 0)

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((found, key) => {
    if (Array.isArray(found)) return found[Number(key)]
    return isObject(found) ? found[key] : undefined
  }, value)

interface Recorded {
  readonly kind: string
  readonly reply: unknown
  readonly decode: (reply: unknown) => Result.Result<object, Schema.SchemaError>
  readonly identity: ReadonlyArray<string>
  /** The optional fields. */
  readonly optional: ReadonlyArray<Path>
}

const recorded = ["20.10", "28.5"].flatMap((engine): ReadonlyArray<Recorded> => {
  const file = join(import.meta.dirname, "recorded", `engine-${engine}.json`)
  const all: unknown = JSON.parse(readFileSync(file, "utf8"))
  assert.isTrue(isObject(all))
  return Object.entries(isObject(all) ? all : {}).flatMap(([kind, replies]) =>
    [replies].flat().map((reply): Recorded => {
      const decode = decoders[kind]
      assert.isDefined(decode, kind)
      const identity = names[kind] ?? (isObject(reply) && "Id" in reply ? ["Id"] : ["ID"])
      const seen = withoutNulls(reply)
      const optional = pathsOf(seen).filter((path) => !(path.length === 1 && identity.includes(path[0] ?? "")))
      return { kind: `${kind} of ${engine}`, reply: seen, decode, identity, optional }
    })
  )
})

/** Fields whose presence has a meaning: an exec's code, labels, and a service's template, which is used as it is. */
const saysSomething = (key: string): boolean => ["ExitCode", "Labels", "Attributes", "TaskTemplate"].includes(key)

const read = ({ decode, identity, kind, reply }: Recorded, dropped: ReadonlyArray<Path>) => {
  const shown = `${kind} without ${dropped.map((path) => path.join(".")).join(", ")}`
  const result = decode(without(reply, new Set(dropped.map((path) => path.join(" ")))))
  const found = Result.getOrThrowWith(result, (error) => new Error(`${shown}: ${error.message}`))
  for (const name of identity) assert.strictEqual(valueAt(found, [name]), valueAt(reply, [name]), shown)
  return found
}

describe("responses of engines", () => {
  it("exist for every schema, from both engines", () => {
    for (const engine of ["20.10", "28.5"]) {
      const kinds = new Set(recorded.filter(({ kind }) => kind.endsWith(engine)).map(({ kind }) => kind.split(" ")[0]))
      assert.deepStrictEqual([...kinds].sort(), Object.keys(decoders).sort())
    }
  })

  it("are decoded without any one of their fields", () => {
    for (const one of recorded) for (const path of one.optional) read(one, [path])
  })

  it("are decoded equally without values that are zero, empty or false", () => {
    for (const one of recorded) {
      const empty = one.optional.filter((path) => isEmpty(valueAt(one.reply, path)) && !path.some(saysSomething))
      assert.deepStrictEqual(read(one, empty), read(one, []), one.kind)
    }
  })

  const numbers = Arbitrary.array(
    Arbitrary.schema(Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1 })))),
    {
      minLength: 1,
      maxLength: 40
    }
  )
  it.prop("are decoded without any number of their fields", [numbers], ([picks]) => {
    for (const one of recorded) {
      const dropped = picks.flatMap((pick) => one.optional.slice(Math.floor(pick * one.optional.length)).slice(0, 1))
      read(one, dropped)
    }
  })
})
