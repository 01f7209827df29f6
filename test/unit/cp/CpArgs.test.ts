import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { parseCpInvocation } from "../../../adapters/cp/CpArgs.ts"

describe("the command line of cp", () => {
  it.effect("directions, flags anywhere", () =>
    Effect.gen(function* () {
      const from = yield* parseCpInvocation([
        "web.2:/etc",
        "-La",
        ".",
        "--placement-timeout",
        "5s",
        "--image",
        "i:1",
        "-H",
        "h"
      ])
      assert.deepStrictEqual(from, {
        _tag: "Copy",
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
      const to = yield* parseCpInvocation(["--via=helper", "-q", "-", "web:/tmp"])
      assert.deepStrictEqual(to, {
        _tag: "Copy",
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
      assert.deepStrictEqual(yield* parseCpInvocation(["--help"]), { _tag: "Help" })
    })
  )

  it.effect("what is wrong", () =>
    Effect.gen(function* () {
      const cases = [
        [[], /two paths/],
        [["web:/a"], /two paths/],
        [["a", "web:/b", "c"], /two paths/],
        [["a", "b"], /one of the two paths must be TARGET:PATH/],
        [["a:/x", "b:/y"], /between containers is not supported/],
        [["web:", "x"], /can be empty/],
        [[":/x", "y"], /can be empty/],
        [["", "web:/x"], /can be empty/],
        [["-z", "a", "web:/b"], /^unknown option -z$/],
        [["-H", "h", "--context", "c", "a", "web:/b"], /both name an engine/],
        [["--via", "ssh", "a", "web:/b"], /use auto, local, agent, helper$/],
        [["--placement-timeout", "soon", "a", "web:/b"], /number of seconds/]
      ] as const
      for (const [argv, expected] of cases) {
        assert.match((yield* Effect.flip(parseCpInvocation(argv))).message, expected)
      }
    })
  )
})
