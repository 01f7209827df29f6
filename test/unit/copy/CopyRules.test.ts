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
  ["creates a file that does not exist", file("a"), at("/to/b"), "/to b"],
  [
    "fails for a file if the destination does not exist and ends with a slash",
    file("a"),
    at("/to/b/"),
    "NoSuchDirectory /to/b/"
  ],
  [
    "fails for a file if the destination is the content of a directory that does not exist",
    file("a"),
    at("/to/b/."),
    "NoSuchDirectory /to/b/."
  ],
  ["overwrites a file", file("a"), at("/to/b", "file"), "/to b"],
  ["puts a file into a directory, under its own name", file("a"), at("/to/b", "directory"), "/to/b a"],
  ["puts a file into a directory with a slash at its end", file("a"), at("/to/b/", "directory"), "/to/b/ a"],
  ["creates a directory that does not exist, with the content of the source", directory("d"), at("/to/b"), "/to b"],
  ["ignores a slash at the end of a directory that does not exist", directory("d"), at("/to/b/"), "/to b"],
  [
    "fails for a directory if the destination is a file",
    directory("d"),
    at("/to/b", "file"),
    "CannotCopyDirectory /to/b"
  ],
  ["puts a directory into a directory", directory("d"), at("/to/b", "directory"), "/to/b d"],
  ["creates a directory for the content of the source", directory("."), at("/to/b"), "/to b"],
  [
    "fails for the content of a directory if the destination is a file",
    directory("."),
    at("/to/b", "file"),
    "CannotCopyDirectory /to/b"
  ],
  ["puts the content of a directory into a directory", directory("."), at("/to/b", "directory"), "/to/b ."],
  [
    "puts the content of a directory into the content of a directory that does not exist",
    directory("d"),
    at("/to/b/."),
    "/to/b ."
  ],
  ["puts the content of the root into a directory", directory("/"), at("/to/b", "directory"), "/to/b ."],
  ["creates a directory for the content of the root", directory("/"), at("/to/b"), "/to b"],
  ["puts a file into the root", file("a"), at("/", "directory"), "/ a"]
]

describe("a copy", () => {
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
