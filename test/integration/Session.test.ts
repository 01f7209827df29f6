import { createHash, randomBytes } from "node:crypto"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { type SessionRequest, TaskExec, toDuplex } from "../../src/index.ts"
import { checkLeftoversMeanwhile, Web } from "./Harness.ts"
import { converse, follow, Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const bytes = (text: string) => new TextEncoder().encode(text)

layer(Library.pipe(Layer.provideMerge(Web.layer("session"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "a session",
  (it) => {
    for (const place of ["local", "remote"] as const) {
      const open = (script: string, more: Partial<SessionRequest> = {}) =>
        Effect.flatMap(Web, (web) =>
          TaskExec.open({ target: web.target(web[place]), command: ["sh", "-c", script], ...more })
        )

      it.effect(`${place}: sends input, receives output, and ends its input`, () =>
        Effect.gen(function* () {
          const session = yield* open("while read line; do echo got $line; done; echo end; exit 7")
          const talk = yield* converse(session)
          yield* talk.say("one\n")
          yield* talk.until("got one\n")
          yield* talk.say("two\n")
          yield* talk.until("got two\n")
          yield* talk.end
          assert.strictEqual(yield* session.outcome, 7)
          assert.strictEqual(yield* talk.all, "got one\ngot two\nend\n")
        })
      )

      it.effect(`${place}: a signal reaches the command, which sets its exit code`, () =>
        Effect.gen(function* () {
          const session = yield* open("trap 'echo bye; exit 3' USR1; echo up; while :; do sleep 0.1; done")
          const output = yield* follow(session)
          yield* output.until("up\n")
          yield* session.signal("SIGUSR1")
          assert.strictEqual(yield* session.outcome, 3)
          assert.strictEqual(yield* output.all, "up\nbye\n")
        })
      )

      it.effect(`${place}: a terminal has its size from the start, and every new size`, () =>
        Effect.gen(function* () {
          // Engines that set the first size only after the start send a WINCH for it.
          const script = "read go; trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.1; done"
          const session = yield* open(script, { tty: { size: { rows: 33, columns: 77 } } })
          const output = yield* follow(session)
          yield* Effect.forkScoped(Stream.run(Stream.concat(Stream.make(bytes("\n")), Stream.never), session.stdin))
          yield* output.until("33 77")
          yield* session.resize({ rows: 44, columns: 99 })
          yield* output.until("44 99")
          assert.strictEqual(yield* session.outcome, 0)
        })
      )

      it.effect(`${place}: the command is killed with its scope`, () =>
        Effect.gen(function* () {
          const outcome = yield* Effect.gen(function* () {
            const session = yield* open("setsid sleep 7531 & echo up; sleep 7531", { grace: "1 second" })
            yield* (yield* follow(session)).until("up\n")
            return session.outcome
          }).pipe(Effect.scoped)
          // The check after each test verifies that no process is left.
          assert.strictEqual((yield* Effect.exit(outcome))._tag, "Failure")
        })
      )

      it.effect(`${place}: as a Node stream in a pipeline, 5 MB through cat`, () =>
        Effect.gen(function* () {
          const sent = randomBytes(5_000_000)
          const duplex = yield* toDuplex(yield* open("cat"))
          const hash = createHash("sha256")
          yield* Effect.promise(() =>
            pipeline(
              Readable.from([sent.subarray(0, 1), sent.subarray(1)]),
              duplex,
              async (source: AsyncIterable<Buffer>) => {
                for await (const chunk of source) hash.update(chunk)
              }
            )
          )
          assert.strictEqual(hash.digest("hex"), createHash("sha256").update(sent).digest("hex"))
        })
      )
    }
  }
)
