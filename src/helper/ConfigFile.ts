/**
 * task-exec's configuration file: `task-exec/config.json` in `XDG_CONFIG_HOME`, or in `~/.config`. It names the helper's image, for all
 * docker contexts and for single ones.
 *
 * ```json
 * { "image": "registry.example:5000/task-exec:1", "contexts": { "prod": { "image": "registry.prod:5000/task-exec:1" } } }
 * ```
 */
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readIfThere } from "../engine/DockerConfig.ts"
import { reasonOf } from "../engine/Hints.ts"
import { nearest } from "../internal/Nearest.ts"

/**
 * The configuration file can't be read, or its content is not what task-exec expects.
 *
 * @category errors
 * @since 0.2.0
 */
export class InvalidConfigFile extends Schema.TaggedError<InvalidConfigFile>()("InvalidConfigFile", {
  file: Schema.String,
  /** `line 3, column 5`, or the path of a key: `contexts.prod`. Empty if the file as a whole can't be read. */
  position: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    const position = this.position === "" ? "" : `${this.position}: `
    return `cannot use the configuration file ${this.file}: ${position}${this.detail}`
  }
}

/** The content of the configuration file. */
export interface ConfigFile {
  /** Image for contexts without an image of their own. */
  readonly image: string | undefined
  /** Images by docker context. `default` means `DOCKER_HOST` or the default socket. */
  readonly contexts: ReadonlyMap<string, string>
}

/** Returns the path of the configuration file, which may not exist. Ignores a relative `XDG_CONFIG_HOME`, as the XDG specification says. */
export const configFilePath = Effect.gen(function* () {
  const text = (name: string) => Config.String(name).pipe(Config.withDefault(""))
  const xdg = yield* text("XDG_CONFIG_HOME")
  const home = isAbsolute(xdg) ? xdg : join((yield* text("HOME")) || homedir(), ".config")
  return join(home, "task-exec", "config.json")
})

/** Reads the configuration file. If it does not exist, the result has no images. */
export const readConfigFile = Effect.fnUntraced(function* (
  file: string
): Effect.fn.Return<ConfigFile, InvalidConfigFile> {
  const content = yield* Effect.mapError(
    readIfThere(file),
    (error) => new InvalidConfigFile({ file, position: "", detail: reasonOf(error) })
  )
  return yield* Effect.fromResult(content === undefined ? Result.succeed(none) : parseConfigFile(file, content))
})

const none: ConfigFile = { image: undefined, contexts: new Map() }

/** Parses the content of the configuration file. */
export const parseConfigFile = (file: string, content: string): Result.Result<ConfigFile, InvalidConfigFile> => {
  const refuse = (position: string, detail: string) => Result.fail(new InvalidConfigFile({ file, position, detail }))
  const json = Result.try({ try: (): unknown => JSON.parse(content), catch: (error) => String(error) })
  if (Result.isFailure(json)) return refuse(positionOf(content, json.failure), withoutPosition(json.failure))
  return Result.gen(function* () {
    const root = yield* objectWith(refuse, "", json.success, ["image", "contexts"])
    const image = yield* imageOf(refuse, "", root.image)
    const contexts = new Map<string, string>()
    const entries = root.contexts === undefined ? {} : yield* objectWith(refuse, "contexts", root.contexts)
    for (const [name, entry] of Object.entries(entries)) {
      const path = `contexts.${name}`
      const own = yield* imageOf(refuse, path, (yield* objectWith(refuse, path, entry, ["image"])).image)
      if (own !== undefined) contexts.set(name, own)
    }
    return { image, contexts }
  })
}

type Refuse = (position: string, detail: string) => Result.Result<never, InvalidConfigFile>

const isObject = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

/** Returns the object at a path. `keys`: the allowed keys; default: any. */
const objectWith = (
  refuse: Refuse,
  path: string,
  value: unknown,
  keys?: ReadonlyArray<string>
): Result.Result<Readonly<Record<string, unknown>>, InvalidConfigFile> => {
  if (!isObject(value) || Array.isArray(value)) return refuse(path, `expected an object, got ${shown(value)}`)
  const unknown = keys && Object.keys(value).find((key) => !keys.includes(key))
  if (unknown === undefined) return Result.succeed(value)
  const similar = nearest(unknown, keys ?? [])
  const hint = similar === undefined ? "" : `. Did you mean ${JSON.stringify(similar)}?`
  const expected = (keys ?? []).map((key) => JSON.stringify(key)).join(" or ")
  return refuse(path, `unknown key ${JSON.stringify(unknown)}: expected ${expected}${hint}`)
}

const imageOf = (
  refuse: Refuse,
  path: string,
  value: unknown
): Result.Result<string | undefined, InvalidConfigFile> => {
  if (value === undefined) return Result.succeed(undefined)
  if (typeof value === "string" && value.trim() !== "") return Result.succeed(value)
  const position = path === "" ? "image" : `${path}.image`
  return refuse(position, `expected an image such as "registry.example:5000/task-exec:1", got ${shown(value)}`)
}

const shown = (value: unknown): string => JSON.stringify(value).slice(0, 60)

/** Matches a token of JSON, with the blanks before it. */
const token = /\s*(?:[{}[\],:]|"(?:[^"\\\p{Cc}]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|$)/uy

/**
 * Returns the line and column of a syntax error. V8 names the position of some errors only. The others are about the first unknown token.
 */
const positionOf = (content: string, message: string): string => {
  const named = /at position (\d+)/.exec(message)?.[1]
  const before = content.slice(0, named === undefined ? firstUnknownToken(content) : Number(named))
  return `line ${before.split("\n").length}, column ${before.length - before.lastIndexOf("\n")}`
}

const firstUnknownToken = (content: string): number => {
  let at = 0
  token.lastIndex = 0
  while (at < content.length && token.test(content)) at = token.lastIndex
  return at + (/^\s*/.exec(content.slice(at))?.[0].length ?? 0)
}

const withoutPosition = (message: string): string =>
  message
    .replace(/^SyntaxError: /, "")
    .replace(/ in JSON at position \d+(?: \(.*\))?$/, "")
    .replace(/, .* is not valid JSON$/s, "")

/** Returns the image that the file names for a docker context, and its position in the file, for messages. */
export const imageFor = (
  file: string,
  { contexts, image }: ConfigFile,
  context: string
): { readonly image: string; readonly source: string } | undefined => {
  const own = contexts.get(context)
  if (own !== undefined) return { image: own, source: `context ${context} in ${file}` }
  return image === undefined ? undefined : { image, source: file }
}
