/** Tests of the test harness: a crashed engine, a failed test, an interrupted run. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { pollUntil } from "../cluster/Poll.ts"
import { processesOf } from "../cluster/Teardown.ts"
import { nestedRun } from "./Nested.ts"

const timeout = 900_000

// At the same time, because they mostly wait.
describe.concurrent("a run of the tests", () => {
  it.live(
    "a crashed engine fails one test with the first lines of the crash, and the next file gets another swarm",
    () =>
      Effect.gen(function* () {
        const nested = yield* nestedRun("Crash")
        const { code, output } = yield* nested.ended
        assert.strictEqual(code, 1, output)
        assert.match(output, /\n1 passed, 2 failed, 2 skipped\n/)
        assert.match(
          output,
          /FAIL .*crashes an engine\n(?:.*\n)*EngineCrashed: the engine of node-1 crashed:\nSIGABRT: abort\nPC=.*\n/
        )
        assert.lengthOf(output.match(/EngineCrashed: /g) ?? [], 1)
        assert.lengthOf(output.match(/\[the engine of node-1 crashed in an earlier test\]/g) ?? [], 2)
        assert.match(output, /✓ has a swarm that works/)
        assert.lengthOf((output.match(/\/\S+\/task-exec-swarm\/[\w-]+/g) ?? []).filter(existsSync), 0)

        // For each failed test: its program, the debug output and the engine's log.
        const folders = [...output.matchAll(/^what is known of ".*" is in (.*)$/gm)].map(([, folder = ""]) => folder)
        assert.lengthOf(folders, 2)
        const kept = folders.flatMap((folder) =>
          readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"))
        )
        const [crashed = ""] = folders
        assert.includeMembers(
          readdirSync(crashed).map((name) => name.replace(/^test-.*(?=node|\.json)/, "")),
          ["debug.txt", "programs.txt", "node-1.dockerd.log"]
        )
        assert.match(
          readFileSync(join(crashed, "programs.txt"), "utf8"),
          /exit code 3 after \d+ ms\n {2}stdout:\n {4}from the command\n/
        )
        assert.match(readFileSync(join(crashed, "debug.txt"), "utf8"), /^\S+Z \d+ debug .*\n(?:.*\n)*.*ECONNREFUSED/)
        assert(kept.some((text) => text.includes("SIGABRT: abort")))
        assert.match(output, /its programs:\n(?:.*\n)* {6}from the command\n/)
        assert.match(output, /their debug output:\n/)
      }).pipe(Effect.scoped),
    timeout
  )

  it.live(
    "leftovers fail their file with a list, and the next file gets a clean swarm",
    () =>
      Effect.gen(function* () {
        const nested = yield* nestedRun("Left")
        const { code, output } = yield* nested.ended
        assert.strictEqual(code, 1, output)
        const [, list = ""] =
          /FAIL .*Left1\.fixture\.ts.*\nLeftBehind: left behind:\n((?: {2}.*\n)+)/.exec(output) ?? []
        const left = list.split("\n").map((line) => line.trim().replace(/ \([a-z0-9]{25}\)$|-[0-9a-f]{12}/g, ""))
        for (const wanted of [
          "service left",
          "service task-exec-agent",
          "secret left",
          "config left",
          "network left-overlay",
          "network left-bridge on node-1",
          "volume left on node-1",
          "node node-1: is set to pause",
          "node node-1: has the label left=here"
        ])
          assert.include(left, wanted, output)
        assert.match(list, /config task-exec-agent-[0-9a-f]+ /)
        assert.match(list, /container \/\w+ on node-1\n/)
        assert.notMatch(list, /can't be removed/)
        // The account of a failed setup has its programs.
        assert.match(
          output,
          /what is known of ".*Left1\.fixture\.ts > later in the first file" is in .*\n\nwhy it failed:\n(?:.*\n)*?its programs:\n(?:.*\n)*?.* ps\n/
        )
        // The process of the second file is killed, so no check reports its leftovers.
        assert.match(output, /✓ begins on a clean swarm, too, and leaves nothing/)
        // vitest may print other text after this line: stdout and stderr have no common order.
        assert.match(output, /\n2 passed, 3 failed, 1 skipped\n/)
      }).pipe(Effect.scoped),
    timeout
  )

  for (const [signal, whom] of [
    ["SIGINT", "group"],
    ["SIGINT", "npm"],
    ["SIGTERM", "npm"]
  ] as const) {
    it.live(
      `${signal} to ${whom === "npm" ? "npm alone" : "its process group, as Ctrl-C sends it,"} takes its swarm down`,
      () =>
        Effect.gen(function* () {
          const nested = yield* nestedRun("Hang")
          const wanted = /hangs on the swarm in (\S+)\n/
          yield* pollUntil(
            Effect.sync(() => wanted.test(nested.output())),
            {
              atMost: 400_000,
              orElse: Effect.suspend(() => Effect.die(new Error(`it does not hang: ${nested.output()}`)))
            }
          )
          const dir = wanted.exec(nested.output())?.[1] ?? ""
          assert(existsSync(dir))
          yield* Effect.sync(() => process.kill(whom === "group" ? -nested.pid : nested.pid, signal))
          const { code, signal: by } = yield* Effect.timeout(nested.ended, "180 seconds")
          assert(code !== 0, `exit code ${code}, ${by}`)
          yield* pollUntil(
            Effect.map(processesOf(dir), (pids) => pids.length === 0 && !existsSync(dir)),
            { atMost: 180_000, orElse: Effect.die(new Error(`the swarm in ${dir} is still there`)) }
          )
        }).pipe(Effect.scoped),
      timeout
    )
  }
})
