import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import {
  type CopyDestination,
  type CopySource,
  fromRoot,
  parseOperand,
  planCopy,
  splitPath,
  withPathEnd
} from "../../../src/copy/CopyRules.ts"

const file = (name: string): CopySource => ({ name, isDirectory: false })
const directory = (name: string): CopySource => ({ name, isDirectory: true })
const at = (path: string, is?: "directory" | "file"): CopyDestination => ({ path, is })

/** The table in docker's documentation of `docker container cp`. */
const plans: ReadonlyArray<readonly [string, CopySource, CopyDestination, string]> = [
  ["a file to what is not there: it is created under that name", file("a"), at("/to/b"), "/to b"],
  ["… and says that it is a directory", file("a"), at("/to/b/"), "NoSuchDirectory /to/b/"],
  ["… or the content of one", file("a"), at("/to/b/."), "NoSuchDirectory /to/b/."],
  ["a file to a file: its content is overwritten", file("a"), at("/to/b", "file"), "/to b"],
  ["a file to a directory: into it, under its own name", file("a"), at("/to/b", "directory"), "/to/b a"],
  ["… with a slash at its end", file("a"), at("/to/b/", "directory"), "/to/b/ a"],
  ["a directory to what is not there: it is created with its content", directory("d"), at("/to/b"), "/to b"],
  ["… with a slash at its end", directory("d"), at("/to/b/"), "/to b"],
  ["a directory to a file: an error", directory("d"), at("/to/b", "file"), "CannotCopyDirectory /to/b"],
  ["a directory to a directory: into it", directory("d"), at("/to/b", "directory"), "/to/b d"],
  ["a directory's content to what is not there", directory("."), at("/to/b"), "/to b"],
  ["a directory's content to a file", directory("."), at("/to/b", "file"), "CannotCopyDirectory /to/b"],
  ["a directory's content to a directory", directory("."), at("/to/b", "directory"), "/to/b ."],
  ["a directory to the content of what is not there", directory("d"), at("/to/b/."), "/to/b ."],
  ["the root to a directory: its content", directory("/"), at("/to/b", "directory"), "/to/b ."],
  ["the root to what is not there", directory("/"), at("/to/b"), "/to b"],
  ["to the root", file("a"), at("/", "directory"), "/ a"]
]

describe("the paths of a copy", () => {
  for (const [what, source, destination, expected] of plans) {
    it(what, () => {
      const plan = planCopy(source, destination)
      const text = Result.match(plan, {
        onSuccess: ({ directory, name }) => `${directory} ${name}`,
        onFailure: (error) => `${error._tag} ${error._tag === "NoSuchDirectory" ? error.path : error.to}`
      })
      assert.strictEqual(text, expected)
    })
  }

  it("are in a container if a colon follows a target", () => {
    const cases = [
      ["web.2:/etc/hosts", "web.2", "/etc/hosts"],
      ["service/web@node-3:etc", "service/web@node-3", "etc"],
      ["web:", "web", ""],
      ["web:a:b", "web", "a:b"],
      [":/x", "", "/x"],
      ["/abs/file:name", undefined, "/abs/file:name"],
      ["./file:name", undefined, "./file:name"],
      ["../file:name", undefined, "../file:name"],
      ["file", undefined, "file"],
      ["-", undefined, "-"]
    ] as const
    for (const [text, target, path] of cases) assert.deepStrictEqual(parseOperand(text), { target, path })
  })

  it("begin at the container's root", () => {
    const cases = [
      ["etc", "/etc"],
      ["/etc/", "/etc/"],
      ["./etc/.", "/etc/."],
      ["/a/../b", "/b"],
      ["../../a", "/a"],
      ["/", "/"],
      [".", "/."],
      ["/.", "/."],
      ["/a//b///", "/a/b/"]
    ] as const
    for (const [path, expected] of cases) assert.strictEqual(fromRoot(path), expected, path)
  })

  it("are split into directory and name", () => {
    const cases = [
      ["/a/b", "/a", "b"],
      ["/a/b/", "/a", "b"],
      ["/a/b/.", "/a/b", "."],
      ["/a", "/", "a"],
      ["/", "/", "/"],
      ["/.", "/", "."]
    ] as const
    for (const [path, directory, name] of cases) assert.deepStrictEqual(splitPath(path), { directory, name }, path)
  })

  it("keep a trailing slash or dot", () => {
    const cases = [
      ["/x/d", "d", "/x/d"],
      ["/x/d", "d/", "/x/d/"],
      ["/x/d", "d/.", "/x/d/."],
      ["/x", ".", "/x/."],
      ["/", "/", "/"],
      ["/", "/.", "/."]
    ] as const
    for (const [cleaned, path, expected] of cases) assert.strictEqual(withPathEnd(cleaned, path), expected)
  })
})
