import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { showDifferences } from "../../../adapters/fleet/Diff.ts"
import { Gather, type GatherLimits } from "../../../adapters/fleet/Gather.ts"
import type { TaskResult } from "../../../src/fleet/FleetEvent.ts"
import { bytesTo, ended, exited, failed, stderr, stdout, textTo, webs } from "./Fixtures.ts"

interface Run {
  readonly out?: string | Uint8Array
  readonly err?: string
  readonly result?: TaskResult
}

const pieces = (runs: ReadonlyArray<Run>, limits?: GatherLimits) => {
  const gather = new Gather(limits)
  for (const [at, of] of webs(runs.length).entries()) {
    const { err = "", out = "", result = exited(0) } = runs[at] ?? {}
    gather.push(stdout(of, out))
    gather.push(stderr(of, err))
    gather.push(ended(of, result))
  }
  return showDifferences(gather.groups)
}

const show = (runs: ReadonlyArray<Run>, limits?: GatherLimits) =>
  Effect.map(pieces(runs, limits), (all) => ({ out: textTo("stdout", all), err: textTo("stderr", all) }))

describe("differences", () => {
  it.effect("shows the largest group in full, and the differences of the others", () =>
    Effect.gen(function* () {
      const usual = { out: "a\nb\nc\n" }
      const { err, out } = yield* show([usual, { out: "a\nB\nc\n", err: "odd\n", result: exited(1) }, usual])
      assert.strictEqual(
        out,
        "---- web.[1,3] (2 tasks): exit code 0\na\nb\nc\n" +
          "---- web.2: exit code 1\n--- web.[1,3] (2 tasks)\n+++ web.2\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
      )
      assert.strictEqual(err, "---- web.2: stderr\nodd\n")
    })
  )

  it.effect("reports if only the exit code or stderr differs, and shows no stderr twice", () =>
    Effect.gen(function* () {
      const usual = { out: "a\n", err: "e\n" }
      const { err, out } = yield* show([usual, usual, { ...usual, result: exited(3) }, { ...usual, err: "f\n" }])
      assert.strictEqual(
        out,
        "---- web.[1-2] (2 tasks): exit code 0\na\n" +
          "---- web.3: exit code 3, same stdout as web.[1-2] (2 tasks)\n" +
          "---- web.4: exit code 0, same stdout as web.[1-2] (2 tasks)\n"
      )
      assert.strictEqual(err, "---- web.[1-2] (2 tasks): stderr\ne\n---- web.4: stderr\nf\n")
    })
  )

  it.effect("does not compare tasks that did not run", () =>
    Effect.gen(function* () {
      const down = { result: failed("c") }
      const { out } = yield* show([down, down, down, { out: "a\n" }, { out: "a\n" }, { out: "b\n" }])
      assert.strictEqual(
        out,
        '---- web.[1-3] (3 tasks): the command did not finish: container c stopped. Swarm may have replaced the task: see "task-exec ls".\n' +
          "---- web.[4-5] (2 tasks): exit code 0\na\n" +
          "---- web.6: exit code 0\n--- web.[4-5] (2 tasks)\n+++ web.6\n@@ -1 +1 @@\n-a\n+b\n"
      )
      assert.strictEqual((yield* show([down])).out.split("\n").length, 2)
      assert.strictEqual((yield* show([])).out, "")
    })
  )

  it.effect("shows a last line without a line feed", () =>
    Effect.gen(function* () {
      const { out } = yield* show([{ out: "a\n" }, { out: "a\n" }, { out: "a" }])
      assert.include(out, "-a\n+a\n\\ No newline at end of file\n")
    })
  )

  it.effect("keeps bytes that are no UTF-8, and does not show binary output", () =>
    Effect.gen(function* () {
      const odd = Buffer.from([0xff, 0xfe, 0x0a])
      const all = yield* pieces([{ out: "é\n" }, { out: "é\n" }, { out: odd }])
      assert.include(bytesTo("stdout", all).toString("latin1"), "-\xc3\xa9\n+\xff\xfe\n")
      const { out } = yield* show([{ out: "a\n" }, { out: "a\n" }, { out: "a\0\n" }])
      assert.isTrue(out.endsWith("---- web.3: exit code 0\nBinary outputs differ\n"))
    })
  )

  it.effect("reports that truncated output is not compared", () =>
    Effect.gen(function* () {
      const { out } = yield* show([{ out: "aaaaaaX" }, { out: "aaaaaaX" }, { out: "aaaaaaYY" }], {
        stream: 5,
        total: 100
      })
      assert.isTrue(
        out.endsWith("---- web.3: exit code 0\n--- web.[1-2] (2 tasks)\n+++ web.3\n… 3B more, not compared\n")
      )
    })
  )

  it.effect("compares long outputs in which everything differs", () =>
    Effect.gen(function* () {
      const long = (word: string) => Array.from({ length: 20_000 }, (_, at) => `${word} ${at}\n`).join("")
      const { out } = yield* show([{ out: long("one") }, { out: long("one") }, { out: long("two") }])
      assert.include(out, "\n+two 99\n")
    })
  )
})
