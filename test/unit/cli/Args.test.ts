import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { debug } from "../../../adapters/cli/Debug.ts"
import { exec as execVerb } from "../../../adapters/cli/Exec.ts"
import { logFormatOf } from "../../../adapters/cli/Invocation.ts"
import { logs } from "../../../adapters/cli/Logs.ts"
import { run } from "../../../adapters/cli/Run.ts"
import { signal } from "../../../adapters/cli/Signal.ts"

const parse = (line: string | ReadonlyArray<string>, environment: Record<string, string> = {}) =>
  execVerb.parse(typeof line === "string" ? line.split(" ") : line, environment)

const exec = (line: string | ReadonlyArray<string>, environment: Record<string, string> = {}) =>
  Effect.map(parse(line, environment), (invocation) => {
    assert(invocation._tag === "Exec")
    return invocation
  })

const refused = (line: string | ReadonlyArray<string>) => Effect.map(Effect.flip(parse(line)), (error) => error.message)

describe("task-exec's command line", () => {
  it.effect("flags end at TARGET, so the command's own need no --", () =>
    Effect.gen(function* () {
      const { request } = yield* exec("-u www web.1 ls -la --env x -u root")
      assert.strictEqual(request.target, "web.1")
      assert.deepStrictEqual(request.command, ["ls", "-la", "--env", "x", "-u", "root"])
      assert.strictEqual(request.user, "www")
      assert.deepStrictEqual(request.env, {})
    })
  )

  it.effect("-- is accepted before TARGET and before COMMAND, and belongs to the command after that", () =>
    Effect.gen(function* () {
      for (const line of ["web.1 -- ls -l", "-- web.1 ls -l", "-q -- web.1 ls -l", "web.1 ls -l"]) {
        const { request } = yield* exec(line)
        assert.deepStrictEqual([request.target, ...request.command], ["web.1", "ls", "-l"], line)
      }
      assert.deepStrictEqual((yield* exec("web.1 grep -- -x")).request.command, ["grep", "--", "-x"])
      assert.deepStrictEqual((yield* exec("web.1 -- -- x")).request.command, ["--", "x"])
    })
  )

  it.effect("--host or --context chooses the engine, but not both", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* exec("web true")).engine, {})
      assert.deepStrictEqual((yield* exec("-H tcp://a,tcp://b web true")).engine, { DOCKER_HOST: "tcp://a,tcp://b" })
      assert.deepStrictEqual((yield* exec("--context far web true")).engine, {
        DOCKER_HOST: undefined,
        DOCKER_CONTEXT: "far"
      })
      assert.deepStrictEqual((yield* exec("--context default web true")).engine, { DOCKER_CONTEXT: "default" })
      assert.match(yield* refused("--context far --host tcp://a web true"), /^--host and --context cannot be combined$/)
      const many = yield* parse("-H tcp://a --all web true")
      assert(many._tag === "Fleet")
      assert.deepStrictEqual(many.engine, { DOCKER_HOST: "tcp://a" })
    })
  )

  it.effect("--audit-file and --audit-user apply to one task and to many", () =>
    Effect.gen(function* () {
      const flags = ["--audit-file", "/var/log/a", "--audit-user", "the night shift"]
      const audit = { file: "/var/log/a", as: "the night shift" }
      assert.deepStrictEqual((yield* exec([...flags, "web", "true"])).audit, audit)
      const many = yield* parse([...flags, "--all", "web", "true"])
      assert(many._tag === "Fleet")
      assert.deepStrictEqual(many.audit, audit)
      assert.deepStrictEqual((yield* exec("web true --audit-file x")).audit, { file: undefined, as: undefined })
    })
  )

  it.effect("--wait takes an optional time, and belongs to the command after TARGET", () =>
    Effect.gen(function* () {
      const waits = (line: string) =>
        Effect.map(
          exec(line),
          ({ request }) => request.wait && Duration.toMillis(Duration.fromInputUnsafe(request.wait))
        )
      assert.isUndefined(yield* waits("web true"))
      assert.strictEqual(yield* waits("--wait web true"), 60_000)
      assert.strictEqual(yield* waits("-q --wait=1m30s -e A=1 web true"), 90_000)
      assert.deepStrictEqual((yield* exec("--wait web cmd --wait")).request.command, ["cmd", "--wait"])
      assert.isUndefined(yield* waits("web cmd --wait=5"))
      assert.strictEqual(yield* waits("--wait 5m web true"), 300_000)
      assert.strictEqual(yield* waits("-q --wait 1m30s -e A=1 web true"), 90_000)
      assert.strictEqual((yield* exec("--wait 5m web cmd 6m")).request.target, "web")
      assert.deepStrictEqual((yield* exec("--wait 5m web cmd --wait 6m")).request.command, ["cmd", "--wait", "6m"])
      assert.strictEqual((yield* exec("--wait=60s 5m cmd")).request.target, "5m")
      assert.strictEqual((yield* exec("--wait -- 5m cmd")).request.target, "5m")
      assert.strictEqual((yield* exec(["-e", "A=1", "--wait", "5m", "web", "true"])).logFormat, "text")
      assert.strictEqual(
        yield* refused("--wait 30 web true"),
        "--wait 30 is ambiguous: write --wait=30 for a duration, or --wait=60s 30 for a target"
      )
      assert.strictEqual((yield* exec("--wait 123456789012 true")).request.target, "123456789012")
      assert.match(
        yield* refused("--wait=soon web true"),
        /^invalid wait time "soon": expected a duration such as 90s or 5m$/
      )
      assert.strictEqual(yield* refused("--wait --all web true"), "--wait needs a single task")
      assert.strictEqual(yield* refused("--all --timings web true"), "--timings needs a single task")
    })
  )

  it.effect("--log-format is text by default, and is known even if the line is invalid", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* exec("web true")).logFormat, "text")
      assert.strictEqual((yield* exec("--log-format json web true")).logFormat, "json")
      assert.strictEqual(yield* refused("--log-format xml web true"), 'invalid log format "xml": expected text or json')
      assert.strictEqual(logFormatOf(["--nope", "--log-format=json", "web"]), "json")
      assert.strictEqual(logFormatOf(["--log-format", "xml", "web"]), "text")
      assert.strictEqual(logFormatOf(["web", "--log-format", "json"]), "text")
    })
  )

  it.effect("an empty argument is kept", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* exec(["web", "printf", "", "a b", "\n"])).request.command, [
        "printf",
        "",
        "a b",
        "\n"
      ])
    })
  )

  it.effect("short flags can be combined, and take an attached value", () =>
    Effect.gen(function* () {
      for (const line of ["-eA=1 -dq web true", "-dqe A=1 web true", "--env=A=1 -d -q web true"]) {
        const { quiet, request } = yield* exec(line)
        assert.deepStrictEqual([request.env, request.detach, quiet], [{ A: "1" }, true, true], line)
      }
    })
  )

  it.effect("-i forwards stdin and -t allocates a terminal; -t without a command opens the container's shell", () =>
    Effect.gen(function* () {
      const plain = yield* exec("web true")
      assert.deepStrictEqual([plain.interactive, plain.tty], [false, undefined])
      const both = yield* exec("-it web top")
      assert.deepStrictEqual([both.interactive, both.tty], [true, { detachKeys: undefined }])
      assert.deepStrictEqual(both.request.command, ["top"])
      const keys = yield* exec("--tty --detach-keys ctrl-a,d web")
      assert.deepStrictEqual([keys.interactive, keys.tty], [false, { detachKeys: "ctrl-a,d" }])
      assert.strictEqual(keys.request.command[0], "sh")
    })
  )

  it.effect("-e NAME uses the caller's value, or sets nothing without one", () =>
    Effect.gen(function* () {
      const { request } = yield* exec("-e HERE -e GONE -e EMPTY= -e X=a=b web true", { HERE: "yes" })
      assert.deepStrictEqual(request.env, { HERE: "yes", EMPTY: "", X: "a=b" })
    })
  )

  it.effect("--env-file skips comments and blank lines, and -e overrides it", () =>
    Effect.acquireUseRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "task-exec-args-"))),
      (folder) =>
        Effect.gen(function* () {
          const file = join(folder, "env")
          writeFileSync(file, "# a comment\nA=1\r\n\nB=two words\nHERE\nGONE\n")
          const { request } = yield* exec(["--env-file", file, "-e", "A=2", "web", "true"], { HERE: "yes" })
          assert.deepStrictEqual(request.env, { A: "2", B: "two words", HERE: "yes" })
          // As docker/cli's parser of such files: a byte order mark and white space before a name are not part of it.
          writeFileSync(file, "\ufeff A=1\n\tB= b \n  # a comment\n \t\n")
          assert.deepStrictEqual((yield* exec(["--env-file", file, "web", "true"])).request.env, { A: "1", B: " b " })
          writeFileSync(file, "two words=1\n")
          assert.match(
            yield* refused(["--env-file", file, "web", "true"]),
            /^invalid variable name "two words" in --env-file /
          )
        }),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
  )

  it.effect("times are seconds or have units, and other texts are refused", () =>
    Effect.gen(function* () {
      const times = { "90": 90_000, "1.5": 1500, "90s": 90_000, "500ms": 500, "5m": 300_000, "1h30m": 5_400_000 }
      for (const [text, millis] of Object.entries(times)) {
        const { request } = yield* exec(`--timeout ${text} --grace ${text} --placement-timeout ${text} web true`)
        for (const time of [request.timeout, request.grace, request.placementTimeout]) {
          assert.strictEqual(Duration.toMillis(time === "none" ? 0 : (time ?? 0)), millis, text)
        }
      }
      assert.strictEqual((yield* exec("--timeout 0 web true")).request.timeout, "none")
      for (const text of ["x", "5x", "", "1m 5s", "-1", "5mm"]) {
        assert.match(
          yield* refused([`--timeout=${text}`, "web", "true"]),
          /^invalid timeout ".*": expected a duration such as 90s or 5m$/,
          text
        )
      }
    })
  )

  it.effect("an invalid line is explained on one line", () =>
    Effect.gen(function* () {
      const lines = {
        "-q": /TARGET is missing/,
        web: /COMMAND is missing/,
        "web --": /COMMAND is missing/,
        "--wrong web true": /^unknown option --wrong$/,
        "-x web true": /^unknown option -x$/,
        "-i web": /COMMAND is missing/,
        "--user": /^--user needs a value: --user NAME\|UID\[:GROUP\]$/,
        "--privileged=yes web true": /^invalid value "yes" for --privileged: expected true or false$/,
        "--via ssh web true": /^invalid route "ssh": expected auto, local, agent or helper$/,
        "-e =1 web true": /^invalid variable name "" in --env$/,
        "--env-file /does/not/exist web true": /^cannot read --env-file .*: no such file or directory$/
      }
      for (const [line, reason] of Object.entries(lines)) {
        const message = yield* refused(line)
        assert.match(message, reason, line)
        assert.notInclude(message, "\n", line)
      }
    })
  )

  it.effect("--help and --version need no TARGET", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* parse("--help"))._tag, "Help")
      for (const flag of ["--version", "-v", "-V"]) assert.strictEqual((yield* parse(flag))._tag, "Version", flag)
      assert.strictEqual((yield* parse("web -- --help"))._tag, "Exec")
    })
  )

  it.effect("booleans accept true and false, as with docker, and the last one counts", () =>
    Effect.gen(function* () {
      const isTty = (line: string) => Effect.map(exec(`${line} web sh`), ({ tty }) => tty !== undefined)
      for (const line of ["--tty=true", "--tty=1", "-t=T", "-it=true", "--tty=false --tty"]) {
        assert.isTrue(yield* isTty(line), line)
      }
      for (const line of ["--tty=false", "-t=0", "-it=false", "-t --tty=F", "-ti --tty=false"]) {
        assert.isFalse(yield* isTty(line), line)
      }
      assert.isTrue((yield* exec("-it=false web sh")).interactive)
      assert.match(yield* refused("--tty=maybe web sh"), /^invalid value "maybe" for --tty: expected true or false$/)
    })
  )

  it.effect("a value may begin with a hyphen, and short flags take = before it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* exec(["-e", "A=-1", "-u=root", "-w", "-x", "web", "true"])).request.env, {
        A: "-1"
      })
      const { request } = yield* exec(["-u=root", "-w", "-x", "web", "true"])
      assert.deepStrictEqual([request.user, request.workdir], ["root", "-x"])
    })
  )

  it.effect("a mistyped option or verb gets a suggestion", () =>
    Effect.gen(function* () {
      for (const [line, meant] of [
        ["--timout 5 web true", "--timeout"],
        ["--interactiv web true", "--interactive"],
        ["--placment-timeout 5 web true", "--placement-timeout"],
        ["--audit_user x web true", "--audit-user"]
      ] as const) {
        assert.match(yield* refused(line), new RegExp(`^unknown option --[^ ]+\\. Did you mean ${meant}\\?$`), line)
      }
      assert.strictEqual(yield* refused("docter"), "COMMAND is missing. Did you mean task-exec doctor?")
    })
  )

  it.effect("options after TARGET get a hint", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* refused("-q web.1 -it sh -c ls"),
        "-it is an option of task-exec and must come before TARGET: task-exec -q -it web.1 sh -c ls (to run a program named -it: task-exec web.1 -- -it)"
      )
      assert.match(yield* refused("docter -q"), /\. Did you mean task-exec doctor\?$/)
      assert.match(yield* refused("web --help"), /^--help is an option of task-exec and must come before TARGET/)
      assert.deepStrictEqual((yield* exec("web.1 -- -it sh")).request.command, ["-it", "sh"])
      assert.deepStrictEqual((yield* exec("web.1 --other")).request.command, ["--other"])
    })
  )

  it.effect("a missing command gets a hint about -it", () =>
    Effect.map(refused("web.2"), (said) =>
      assert.strictEqual(said, "COMMAND is missing. To open a shell: task-exec -it web.2")
    )
  )

  it.effect("--as is the old name of --audit-user", () =>
    Effect.map(exec("--as me web true"), ({ audit }) => assert.strictEqual(audit.as, "me"))
  )

  it.effect("--record needs a single task", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* exec("--record a.cast -it web")).record, "a.cast")
      assert.strictEqual(yield* refused("--record a -d web true"), "--record cannot be combined with --detach")
      assert.strictEqual(yield* refused("--record a --all web true"), "--record needs a single task")
    })
  )

  it.effect(
    "debug takes the toolbox's image from --image, the environment or a default, and sets a prompt that names the target",
    () =>
      Effect.gen(function* () {
        const inToolbox = (line: string, environment: Record<string, string> = {}) =>
          Effect.map(debug.parse(line.split(" "), environment), (invocation) => {
            assert(invocation._tag === "Exec")
            return invocation.request
          })
        const request = yield* inToolbox("--image tools:1 web.2 ps")
        assert.deepStrictEqual([request.toolbox, request.image], [{ image: "tools:1" }, undefined])
        assert.deepStrictEqual(request.env, { PS1: "debug web.2:\\w\\$ " })
        assert.deepStrictEqual((yield* inToolbox("web ps", { TASK_EXEC_DEBUG_IMAGE: "team:2" })).toolbox, {
          image: "team:2"
        })
        assert.deepStrictEqual((yield* inToolbox("web ps", { TASK_EXEC_DEBUG_IMAGE: "" })).toolbox, {
          image: "busybox:1"
        })
        assert.deepStrictEqual((yield* inToolbox("-e PS1=> web ps")).env, { PS1: ">" })
        const wrong = (line: string) =>
          Effect.map(Effect.flip(debug.parse(line.split(" "), {})), ({ message }) => message)
        assert.match(yield* wrong("-d web ps"), /^--detach does not work with debug/)
        assert.match(yield* wrong("web"), /To open a shell: task-exec debug -it web$/)
        assert.match(yield* wrong("web -it sh"), /: task-exec debug -it web sh \(.*: task-exec debug web -- -it\)$/)
      })
  )

  it.effect(
    "run reads the options of the one-off task, and leaves words with a hyphen after SERVICE to the command",
    () =>
      Effect.gen(function* () {
        const oneOff = (line: string) =>
          Effect.map(run.parse(line.split(" "), {}), (invocation) => {
            assert(invocation._tag === "Exec")
            return invocation.request
          })
        const line = "--image shop:2 --entrypoint sh --label a=b=c --label d --constraint node.role==worker"
        const more =
          "--limit-memory 1.5g --limit-cpu .5 --limit-pids 9 --reserve-memory 512mb --reserve-cpu 2 --wait 1m"
        const request = yield* oneOff(`${line} ${more} -e A=1 -u www shop_web -c ls -e`)
        assert.deepStrictEqual(request.oneOff, {
          image: "shop:2",
          entrypoint: ["sh"],
          labels: { a: "b=c", d: "" },
          constraints: ["node.role==worker"],
          limits: { memory: 1.5 * 1024 ** 3, cpus: 0.5, pids: 9 },
          reservations: { memory: 512 * 1024 ** 2, cpus: 2 }
        })
        assert.deepStrictEqual([request.target, ...request.command], ["shop_web", "-c", "ls", "-e"])
        assert.deepStrictEqual([request.wait, request.image, request.user], [Duration.minutes(1), undefined, "www"])
        assert.deepStrictEqual((yield* oneOff("web")).command, [])
        const wrong = (text: string) =>
          Effect.map(Effect.flip(run.parse(text.split(" "), {})), ({ message }) => message)
        assert.match(
          yield* wrong("--privileged web"),
          /^--privileged does not work with run: the task has the privileges/
        )
        assert.match(yield* wrong("--stack shop"), /^--stack does not work with run: the command runs in one new task/)
        assert.match(
          yield* wrong("-d shop true"),
          /^--detach does not work with run: the task is removed when task-exec ends/
        )
        assert.match(yield* wrong("--all shop true"), /^--all does not work with run/)
        assert.match(yield* wrong("--limit-cpu 0 web"), /^invalid number of CPUs "0": expected a positive number$/)
        assert.match(yield* wrong("--limit-memory 5x web"), /^invalid amount of memory "5x"/)
        assert.match(yield* wrong("--wait soon web"), /^invalid wait time "soon"/)
      })
  )

  it.effect("names the missing operand as the usage of its verb does", () =>
    Effect.gen(function* () {
      const missingTarget = "TARGET is missing: name a service or a task"
      const missingSignal = "SIGNAL is missing: name it before TARGET, as in task-exec signal HUP web.2"
      const lines = [
        [execVerb, [], missingTarget],
        [debug, ["--image", "i"], missingTarget],
        [logs, ["-f"], missingTarget],
        [logs, ["--all"], missingTarget],
        [run, [], "SERVICE is missing: name a service"],
        [run, ["--image", "i"], "SERVICE is missing: name a service"],
        [signal, [], missingSignal],
        [signal, ["--all"], missingSignal],
        [signal, ["--stack", "shop"], missingSignal],
        [signal, ["HUP"], missingTarget],
        [signal, ["HUP", "--all"], missingTarget]
      ] as const
      for (const [verb, argv, said] of lines) {
        const { message } = yield* Effect.flip(verb.parse(argv, {}))
        assert.strictEqual(message, said, [verb.name, ...argv].join(" "))
      }
      const { message } = yield* Effect.flip(run.parse(["web", "--image", "i"], {}))
      assert.match(
        message,
        /^--image is an option of task-exec and must come before SERVICE: task-exec run --image i web /
      )
    })
  )
})
