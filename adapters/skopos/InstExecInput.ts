/** The input of the action `inst_exec`. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { ExecRequest } from "../../src/request/ExecRequest.ts"
import { withoutExcerpt } from "./PluginInput.ts"
import { splitWords } from "./Words.ts"

/** A key of the input is missing or invalid. The message never has the value: it may hold a secret. */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  key: Schema.String,
  /** What was expected, or what is wrong. */
  detail: Schema.String
}) {
  override get message(): string {
    return `inst_exec: ${this.key === "" ? "" : `${this.key}: `}${this.detail}`
  }
}

/** The action accepts one instance at a time. */
export class NotOneInstance extends Schema.TaggedError<NotOneInstance>()("NotOneInstance", { count: Schema.Int }) {
  override get message(): string {
    return `this plugin works only with a single instance at a time, got ${this.count}`
  }
}

const missing = { messageMissingKey: "missing" }

/** The instances alone: their number is checked first. */
const Instances = Schema.Struct({
  inst: Schema.Array(Schema.Unknown)
    .annotate({ message: "expected a list with one object" })
    .pipe(Schema.annotateKey(missing))
})

const Instance = Schema.Struct({
  id: Schema.NonEmptyString.annotate({ message: "expected the ID of a task" }).pipe(Schema.annotateKey(missing))
}).annotate({ message: "expected an object with the ID of a task as id" })

/** The default timeout of the original plugin, in seconds. */
const defaultTimeout = 300

const Words = Schema.Array(Schema.String)

const secondsExpected = { message: "expected a number of seconds greater than 0" }

const Seconds = Schema.Union([Schema.Finite, Schema.FiniteFromString])
  .annotate(secondsExpected)
  .pipe(Schema.check(Schema.isGreaterThan(0, secondsExpected)))

const Arguments = Schema.Struct({
  command: Schema.Union([Schema.String, Words])
    .annotate({ message: 'expected a string or a list of strings (in YAML, "true" is a string only in quotes)' })
    .pipe(Schema.annotateKey(missing)),
  timeout: Schema.optionalKey(Seconds),
  image: Schema.optionalKey(Schema.NonEmptyString.annotate({ message: "expected an image name" }))
})

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** Decodes a value. Fails with the first invalid key. `where`: the path of the value in the input. */
const decode = <A, I>(schema: Schema.Codec<A, I>, value: unknown, where: ReadonlyArray<PropertyKey> = []) =>
  Schema.decodeUnknownEffect(schema)(value).pipe(
    Effect.mapError(({ issue }) => {
      const [first] = formatIssue(issue).issues
      const path = (first?.path ?? []).map((step) => (typeof step === "object" ? step.key : step))
      const { message = "not readable" } = first ?? {}
      return new InvalidArgument({
        key: describePath([...where, ...path]),
        detail: message.charAt(0).toLowerCase() + message.slice(1)
      })
    })
  )

/** `inst[0].id` */
const describePath = (path: ReadonlyArray<PropertyKey>): string =>
  path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("")
    .replace(/^\./, "")

const taskId = /^[a-z0-9]{1,25}$/

/**
 * Reads the input. `inst[0].id` is the ID of a task, or a unique prefix of one. Any other text is a target of `task-exec` (`web.2`).
 */
export const readInstExec = Effect.fnUntraced(function* (
  input: Readonly<Record<string, unknown>>
): Effect.fn.Return<ExecRequest, InvalidArgument | NotOneInstance> {
  const { inst } = yield* decode(Instances, input)
  if (inst.length !== 1) return yield* new NotOneInstance({ count: inst.length })
  const { id } = yield* decode(Instance, inst[0], ["inst", 0])
  const { command, image, timeout = defaultTimeout } = yield* decode(Arguments, input)
  const words = typeof command === "string" ? yield* readCommand(command) : command
  if ((words[0] ?? "") === "") return yield* new InvalidArgument({ key: "command", detail: "empty command" })
  return {
    target: taskId.test(id) ? `task/${id}` : id,
    command: words,
    timeout: timeout * 1000,
    ...(image === undefined ? {} : { image })
  }
})

/** Parses a command: JSON if it begins with `[`, otherwise a command line. */
const readCommand = (command: string): Effect.Effect<ReadonlyArray<string>, InvalidArgument> => {
  const invalid = (detail: string) => new InvalidArgument({ key: "command", detail })
  if (!command.startsWith("[")) {
    return Result.match(splitWords(command), {
      onFailure: (error) => Effect.fail(invalid(error.message)),
      onSuccess: (words) => Effect.succeed(words)
    })
  }
  const rule = "a string that begins with [ must be a JSON list of strings"
  return Effect.try({
    try: (): unknown => JSON.parse(command),
    catch: (error) => invalid(`${rule}: ${withoutExcerpt(error)}`)
  }).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Words)),
    Effect.mapError((error) => (error._tag === "InvalidArgument" ? error : invalid(rule)))
  )
}
