import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFlags } from "../../../adapters/command/Flags.ts"
import { cpFlags, parseCp } from "../../../adapters/cp/CpArgs.ts"

const parse = (argv: ReadonlyArray<string>) => Effect.flatMap(readFlags(argv, cpFlags), parseCp)

describe("the command line of cp", () => {
  it.effect("accepts both directions, and flags anywhere", () =>
    Effect.gen(function* () {
      const from = yield* parse(["web.2:/etc", "-La", ".", "--placement-timeout", "5s", "--image", "i:1", "-H", "h"])
      assert.deepStrictEqual(from, {
        direction: "from",
        files: { target: "web.2", via: "auto", image: "i:1", placementTimeout: Duration.seconds(5) },
        path: "/etc",
        local: ".",
        followLink: true,
        archive: true,
        quiet: false,
        debug: false,
        engine: { DOCKER_HOST: "h" }
      })
      const to = yield* parse(["--via=helper", "-q", "-", "web:/tmp"])
      assert.deepStrictEqual(to, {
        direction: "to",
        files: { target: "web", via: "helper" },
        path: "/tmp",
        local: "-",
        followLink: false,
        archive: false,
        quiet: true,
        debug: false,
        engine: {}
      })
    })
  )

  it.effect("is explained if it is invalid", () =>
    Effect.gen(function* () {
      const cases = [
        [[], /two paths/],
        [["web:/a"], /two paths/],
        [["a", "web:/b", "c"], /two paths/],
        [["a", "b"], /one of the two paths must be TARGET:PATH/],
        [["a:/x", "b:/y"], /between containers is not supported/],
        [["web:", "x"], /is empty$/],
        [[":/x", "y"], /is empty$/],
        [["", "web:/x"], /is empty$/],
        [["-z", "a", "web:/b"], /^unknown option -z$/],
        [["-H", "h", "--context", "c", "a", "web:/b"], /--host and --context cannot be combined/],
        [["--via", "ssh", "a", "web:/b"], /expected auto, local, agent or helper$/],
        [["--placement-timeout", "soon", "a", "web:/b"], /^invalid placement timeout "soon": expected a duration/]
      ] as const
      for (const [argv, expected] of cases) {
        assert.match((yield* Effect.flip(parse(argv))).message, expected)
      }
    })
  )
})
