import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { Gather, type GatherLimits, type Group, showGroup } from "../../../adapters/fleet/Gather.ts"
import type { FleetEvent } from "../../../src/fleet/FleetEvent.ts"
import {
  chosen,
  chunksOf,
  ended,
  exited,
  failed,
  integer,
  output,
  skipped,
  started,
  stderr,
  stdout,
  task,
  textTo,
  webs
} from "./Fixtures.ts"

const gather = (events: ReadonlyArray<FleetEvent>, limits?: GatherLimits): ReadonlyArray<Group> => {
  const all = new Gather(limits)
  for (const event of events) all.push(event)
  return all.groups
}

const show = (groups: ReadonlyArray<Group>) => {
  const pieces = groups.flatMap(showGroup)
  return { out: textTo("stdout", pieces), err: textTo("stderr", pieces) }
}

const six = webs(6)

describe("gathering", () => {
  it("shows each output once, the most frequent first, and stderr separately", () => {
    const events = six.flatMap((of, at) => [
      started(of),
      stdout(of, at === 4 ? "v1\n" : "v2\n"),
      ...(at === 4 ? [stderr(of, "old\n")] : []),
      ended(of, exited(at === 4 ? 1 : 0))
    ])
    assert.deepStrictEqual(show(gather([chosen(six), ...events])), {
      out: "---- web.[1-4,6] (5 tasks): exit code 0\nv2\n---- web.5: exit code 1\nv1\n",
      err: "---- web.5: stderr\nold\n"
    })
  })

  it("distinguishes by result, stdout and stderr, wherever the bytes were split", () => {
    const [a, b, c, d, e, f] = ["a@n", "b@n", "c@n", "d@n", "e@n", "f@n"].map(task)
    if (!a || !b || !c || !d || !e || !f) return assert.fail()
    const groups = gather([
      stdout(a, "xy"),
      stdout(b, "x"),
      stdout(b, ""),
      stdout(b, "y"),
      stdout(c, "xy"),
      stderr(d, "xy"),
      stdout(e, "xy"),
      stderr(e, "!"),
      stdout(f, "xy\n"),
      ended(a),
      ended(b),
      ended(c, exited(1)),
      ended(d),
      ended(e),
      ended(f)
    ])
    assert.deepStrictEqual(
      groups.map(({ tasks }) => tasks.join(" ")),
      ["a@n b@n", "c@n", "d@n", "e@n", "f@n"]
    )
  })

  it("groups errors and tasks that were not started by their texts", () => {
    const groups = gather(
      six.map((of, at) => ended(of, at < 2 ? failed("c1") : at < 5 ? skipped("failures") : { _tag: "Detached" }))
    )
    assert.deepStrictEqual(show(groups), {
      out:
        "---- web.[3-5] (3 tasks): not started: too many tasks failed\n" +
        '---- web.[1-2] (2 tasks): the command did not finish: container c1 stopped. Swarm may have replaced the task: see "task-exec ls".\n' +
        "---- web.6: started\n",
      err: ""
    })
  })

  it("orders groups independently of the order of the ends", () => {
    const all = webs(12)
    const end = (at: number) => all.slice(at, at + 1).map((of) => ended(of, exited(at < 9 ? 0 : at)))
    for (const order of [all.keys(), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]) {
      assert.strictEqual(
        show(gather([...order].flatMap(end))).out,
        "---- web.[1-9] (9 tasks): exit code 0, no output\n" +
          "---- web.10: exit code 9, no output\n---- web.11: exit code 10, no output\n---- web.12: exit code 11, no output\n"
      )
    }
  })

  it("shows a command without output, and a last line without a line feed", () => {
    const [one, two] = webs(2)
    if (!one || !two) return assert.fail()
    const groups = gather([ended(one), stdout(two, "no end"), stderr(two, "either"), ended(two)])
    assert.deepStrictEqual(show(groups), {
      out: "---- web.1: exit code 0, no output\n---- web.2: exit code 0\nno end\n",
      err: "---- web.2: stderr\neither\n"
    })
  })

  it("counts output beyond the limit without keeping it, and still distinguishes it", () => {
    const [one, two, three] = webs(3)
    if (!one || !two || !three) return assert.fail()
    const long = (last: string) => "x".repeat(99_999) + last
    const groups = gather(
      [
        ...[one, two, three].flatMap((of) =>
          chunksOf(Buffer.from(long(of === two ? "!" : "x")), 777).map((data) => stdout(of, data))
        ),
        ...[one, two, three].map((of) => ended(of))
      ],
      { stream: 10, total: 100 }
    )
    assert.deepStrictEqual(
      groups.map(({ stdout: { bytes, more }, tasks }) => [tasks.join(" "), bytes.length, more]),
      [
        ["web.1 web.3", 10, 99_990],
        ["web.2", 10, 99_990]
      ]
    )
    assert.strictEqual(show(groups.slice(1)).out, "---- web.2: exit code 0\nxxxxxxxxxx\n… 100kB more\n")
    assert.strictEqual(
      show(gather([stdout(one, "x\n"), ended(one)], { stream: 0, total: 100 })).out,
      "---- web.1: exit code 0\n… 2B more\n"
    )
  })

  it("limits all kept output: equal output frees its room, and nothing in between is missing", () => {
    const [one, two, three, four] = webs(4)
    if (!one || !two || !three || !four) return assert.fail()
    const groups = gather(
      [
        stdout(one, "12345"),
        ended(one),
        stdout(two, "12345"),
        // There is no room for it, and it is not kept later either.
        stdout(three, "abc"),
        ended(two),
        stdout(three, "def"),
        ended(three),
        stdout(four, "uvwxyz"),
        ended(four)
      ],
      { stream: 100, total: 10 }
    )
    assert.deepStrictEqual(
      groups.map(({ stdout: { bytes, more }, tasks }) => [tasks.join(" "), Buffer.from(bytes).toString(), more]),
      [
        ["web.1 web.2", "12345", 0],
        ["web.3", "", 6],
        ["web.4", "uvwxy", 1]
      ]
    )
  })

  it.prop(
    "puts every task into one group, with its own output",
    [Arbitrary.array(output, { maxLength: 6 }), integer(1, 9)],
    ([outputs, size]) => {
      const tasks = [...outputs, ...outputs].map((_, at) => task(`web.${at}@n`))
      const bytesOf = (at: number) => outputs[at % outputs.length] ?? Buffer.alloc(0)
      const groups = gather([
        ...tasks.flatMap((of, at) => chunksOf(bytesOf(at), size + at).map((data) => stdout(of, data))),
        ...tasks.map((of) => ended(of))
      ])
      assert.deepStrictEqual(groups.flatMap((group) => group.tasks).sort(), tasks.map(({ name }) => name).sort())
      assert.lengthOf(groups, new Set(outputs.map((bytes) => bytes.toString("hex"))).size)
      for (const group of groups) {
        for (const name of group.tasks) {
          assert.deepStrictEqual(Buffer.from(group.stdout.bytes), bytesOf(Number(name.slice(4))))
        }
      }
    }
  )
})
