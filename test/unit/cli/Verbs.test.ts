/** The verbs of the built programs. None of these needs an engine. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { verbNames } from "../../../adapters/cli/VerbNames.ts"
import { commands } from "../../../adapters/docs/Commands.ts"
import { version } from "../../../src/Version.ts"

const dist = join(import.meta.dirname, "../../../dist")

const run = (program: "task-exec" | "swarm-exec", args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const env = { ...process.env, DOCKER_HOST: "unix:///nonexistent/docker.sock" }
    const child = execFile(join(dist, `${program}.cjs`), args, { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr })
    )
    child.stdin?.end()
  })

const wideLines = (text: string) => text.split("\n").filter((line) => line.length > 80)

describe("help", () => {
  it("is printed on stdout with code 0, in every form of the request, in lines of 80 columns", async () => {
    for (const name of verbNames.filter((one) => one !== "help" && one !== "version")) {
      const [own, asked, before] = await Promise.all([
        run("task-exec", [name, "--help"]),
        run("task-exec", ["help", name]),
        run("task-exec", ["--help", name])
      ])
      assert.deepStrictEqual([own.code, own.stderr], [0, ""], name)
      assert.match(own.stdout, new RegExp(`^Usage: task-exec ${name}`), name)
      assert.match(own.stdout, /\n {2}-h, --help/, name)
      assert.match(own.stdout, /\nExamples:\n {2}# .*\n {2}\S/, name)
      assert.deepStrictEqual([asked, before], [own, own], name)
      assert.deepStrictEqual(wideLines(own.stdout), [], name)
    }
  })

  it("of task-exec lists the verbs, and is printed by task-exec without arguments", async () => {
    const [bare, flag, short, verb] = await Promise.all(
      [[], ["--help"], ["-h"], ["help"]].map((args) => run("task-exec", args))
    )
    assert.strictEqual(flag?.code, 0)
    const others = await Promise.all(["help", "version"].map((name) => run("task-exec", ["help", name])))
    for (const one of [flag, ...others]) assert.deepStrictEqual(wideLines(one?.stdout ?? ""), [])
    for (const name of verbNames) assert.match(flag?.stdout ?? "", new RegExp(`^ {2}${name} +\\S`, "m"))
    assert.deepStrictEqual([bare, short, verb], [flag, flag, flag])
  })

  it("has examples of task-exec only", () => {
    for (const { help, subcommands } of commands) {
      for (const { term } of [help, ...subcommands.map((one) => one.help)].flatMap(({ examples }) => examples)) {
        assert.match(term, /\btask-exec\b/)
      }
    }
  })
})

describe("a verb", () => {
  it("prints the version in every form of the request", async () => {
    for (const word of ["version", "--version", "-v", "-V"]) {
      assert.deepStrictEqual(await run("task-exec", [word]), { code: 0, stdout: `task-exec ${version}\n`, stderr: "" })
    }
  })

  const refused = {
    "cp --bogus": ["cp", "unknown option --bogus"],
    "cp --quite a b:c": ["cp", "unknown option --quite. Did you mean --quiet?"],
    "cp web:/a": ["cp", "expected two paths, one of them TARGET:PATH, but got 1"],
    "gc web": ["gc", 'unexpected argument "web"'],
    agent: ["agent", "ACTION is missing: expected up, status or down"],
    "agent statsu": ["agent", 'unknown action "statsu": expected up, status or down. Did you mean status?'],
    "doctor --timeout 2h": ["doctor", 'invalid timeout "2h": expected a duration between 1ms and 1h'],
    "completion tcsh": ["completion", 'unknown shell "tcsh": expected bash, zsh or fish'],
    "install-plugin x": ["install-plugin", 'unexpected argument "x"'],
    wait: ["wait", "SERVICE is missing: name a service, or use --stack NAME"],
    "port-forward": ["port-forward", "TARGET is missing"],
    completion: ["completion", "SHELL is missing: expected bash, zsh or fish"],
    "help ls web": ["", 'unexpected argument "web"'],
    "version 2": ["", 'unexpected argument "2"'],
    "help docter": ["", 'unknown verb "docter". Did you mean doctor?'],
    "-q cp a web:/b": ["", "cp is a verb: put its options after it (for a service named cp, use service/cp)"],
    "--all gc true": ["", "gc is a verb: put its options after it (for a service named gc, use service/gc)"]
  } as const
  it("explains an invalid command line, with a uniform last line", async () => {
    for (const [line, [verb, said]] of Object.entries(refused)) {
      const command = verb === "" ? "task-exec" : `task-exec ${verb}`
      assert.deepStrictEqual(
        await run("task-exec", line.split(" ")),
        { code: 2, stdout: "", stderr: `${command}: ${said}\nSee '${command} --help'.\n` },
        line
      )
    }
  })

  it("accepts the docker CLI's options before its name", async () => {
    const { code, stderr } = await run("task-exec", ["--context", "nope", "gc", "--dry-run"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^task-exec gc: cannot connect to "context nope"/)
  })

  it("is no verb as service/NAME, as a slot, as the command of a selection, or after exec and --", async () => {
    for (const line of [
      "service/cp x",
      "cp.1 x",
      "cp@node-1 x",
      "exec cp x",
      "-- cp x",
      "--stack shop gc",
      "--node n gc"
    ]) {
      const { code, stderr } = await run("task-exec", line.split(" "))
      assert.strictEqual(code, 125, line)
      assert.match(stderr, /^task-exec: cannot connect to the Docker engine/, line)
    }
  })

  it("has an alias in swarm-exec", async () => {
    const { code, stdout } = await run("swarm-exec", ["gc", "--help"])
    assert.strictEqual(code, 0)
    assert.match(stdout, /^Usage: swarm-exec gc \[OPTIONS\]\n/)
  })
})
