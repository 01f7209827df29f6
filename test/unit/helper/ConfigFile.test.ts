import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { configFilePath, imageFor, parseConfigFile, readConfigFile } from "../../../src/helper/ConfigFile.ts"

const file = "/home/me/.config/task-exec/config.json"

/** The error's text after the file's name. Empty without an error. */
const complaint = (content: string): string =>
  Result.match(parseConfigFile(file, content), {
    onSuccess: () => "",
    onFailure: ({ message }) => message.replace(`cannot use the configuration file ${file}: `, "")
  })

describe("the configuration file", () => {
  it("names images, for one context and for all", () => {
    const content = { image: "all:1", contexts: { prod: { image: "prod:1" }, empty: {} } }
    const config = Result.getOrThrow(parseConfigFile(file, JSON.stringify(content)))
    assert.deepStrictEqual(imageFor(file, config, "prod"), { image: "prod:1", source: `context prod in ${file}` })
    assert.deepStrictEqual(imageFor(file, config, "empty"), { image: "all:1", source: file })
    assert.deepStrictEqual(imageFor(file, config, "other"), { image: "all:1", source: file })
    assert.isUndefined(imageFor(file, Result.getOrThrow(parseConfigFile(file, "{}")), "prod"))
  })

  it("that is no JSON gives an error with line and column", () => {
    for (const [content, expected] of [
      ['{\n  "image": "x"\n  "contexts": {}\n}', /^line 3, column 3: Expected ',' or '}' after property value$/],
      ['{\n  "image": bare\n}', /^line 2, column 12: Unexpected token 'b'$/],
      ['{"image": "x", // no comment\n}', /^line 1, column 16: Expected double-quoted property name$/],
      ["", /^line 1, column 1: Unexpected end of JSON input$/],
      ['{"image": "x"', /^line 1, column 14: Expected ',' or '}' after property value$/],
      ['{"image": "\n"}', /^line 1, column 12: Bad control character in string literal$/]
    ] as const) {
      assert.match(complaint(content), expected, content)
    }
  })

  it("with invalid content gives an error with the key's path, the expected value and a suggestion", () => {
    for (const [content, expected] of [
      [[], "expected an object, got []"],
      [{ imag: "x" }, 'unknown key "imag": expected "image" or "contexts". Did you mean "image"?'],
      [{ registry: "x" }, 'unknown key "registry": expected "image" or "contexts"'],
      [{ image: 5 }, 'image: expected an image such as "registry.example:5000/task-exec:1", got 5'],
      [{ contexts: "prod" }, 'contexts: expected an object, got "prod"'],
      [{ contexts: { prod: "x" } }, 'contexts.prod: expected an object, got "x"'],
      [
        { contexts: { prod: { image: "" } } },
        'contexts.prod.image: expected an image such as "registry.example:5000/task-exec:1", got ""'
      ],
      [
        { contexts: { prod: { images: "x" } } },
        'contexts.prod: unknown key "images": expected "image". Did you mean "image"?'
      ]
    ] as const) {
      assert.strictEqual(complaint(JSON.stringify(content)), expected)
    }
  })

  it.effect("is found by the XDG specification, which ignores a relative folder", () =>
    Effect.gen(function* () {
      for (const [variables, expected] of [
        [{ HOME: "/home/me" }, file],
        [{ HOME: "/home/me", XDG_CONFIG_HOME: "" }, file],
        [{ HOME: "/home/me", XDG_CONFIG_HOME: "here" }, file],
        [{ HOME: "/home/me", XDG_CONFIG_HOME: "/etc/xdg" }, "/etc/xdg/task-exec/config.json"]
      ] as const) {
        const path = yield* configFilePath.pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(variables))
        )
        assert.strictEqual(path, expected)
      }
    })
  )

  it.effect("that does not exist names nothing; an unreadable one is an error", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* readConfigFile("/nonexistent/config.json"), {
        image: undefined,
        contexts: new Map()
      })
      const error = yield* Effect.flip(readConfigFile("/"))
      assert.match(error.message, /^cannot use the configuration file \/: illegal operation on a directory/)
    })
  )
})
