import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { installTools } from "../cluster/Tools.ts"
import { dist, program, shell, taskExec, temporaryFolder, Web } from "./Harness.ts"
import { openPty } from "./Pty.ts"

const name = "completed"

layer(Web.layer(name), { excludeTestServices: true, timeout: "180 seconds" })("completion", (it) => {
  const answer = (words: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
    Effect.map(taskExec(["__complete", ...words], { env }), ({ code, stderr, stdout }) => {
      assert.deepStrictEqual([code, stderr], [0, ""])
      return stdout.toString()
    })

  /** Every task as one line with name and node. */
  const tasks = Effect.map(Web, (web) => web.tasks.map((task) => `${web.target(task)}\t${web.nodeOf(task).name}\n`))

  it.effect("offers services, tasks and nodes of the swarm, and nothing without an engine", () =>
    Effect.gen(function* () {
      const lines = (yield* tasks).join("")
      const verb = "completion\tPrint a completion script for bash, zsh or fish\n"
      assert.strictEqual(yield* answer(["compl"]), `${name}\t3 running\n${lines}${verb}:4\n`)
      assert.strictEqual(yield* answer(["cp", `${name}.1`]), `${lines.split("\n")[0]?.replace("\t", ":\t")}\n:4\n`)
      assert.strictEqual(yield* answer(["-q", "compl"]), `${name}\t3 running\n${lines}:4\n`)
      assert.strictEqual(yield* answer(["--all", `x,${name}.1`]), `${lines.split("\n")[0]?.replace(/^/, "x,")}\n:4\n`)
      assert.strictEqual(
        yield* answer(["--node", "node-"]),
        "node-1\tmanager, active\nnode-2\tworker, active\nnode-3\tworker, active\n:4\n"
      )
      assert.strictEqual(yield* answer([name, "l"]), ":4\n")
      assert.strictEqual(yield* answer(["--env-file", ""]), ":0\n")
      assert.strictEqual(yield* answer(["compl"], { DOCKER_HOST: "unix:///none" }), `${verb}:4\n`)
      assert.match(yield* answer(["gc", "--dry"]), /^--dry-run\t\w.*\n:4\n$/)
    })
  )

  it.effect("works in bash, and through the docker CLI", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const dir = yield* temporaryFolder("completion")
      const env = { DOCKER_HOST: manager.dockerHost, DOCKER_CONFIG: dir }
      const typed = (line: string) =>
        Effect.map(
          shell(
            `source <(task-exec completion bash); COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}; _task_exec; printf '%s\n' "\${COMPREPLY[@]}"`,
            { env }
          ),
          ({ stderr, stdout }) => {
            assert.strictEqual(stderr, "")
            return stdout.toString()
          }
        )
      assert.strictEqual(yield* typed(`task-exec -q ${name}.`), (yield* tasks).join("").replaceAll(/\t.*/g, ""))
      // bash splits words at = : @.
      assert.strictEqual(yield* typed("task-exec --via=h"), "helper\n")

      const installed = yield* program("task-exec.cjs", ["install-plugin"], { env })
      assert.strictEqual(installed.code, 0, installed.stderr)
      const version = yield* shell("docker version --format '{{.Client.Version}}'", { env })
      // Older clients do not ask their plugins for completions.
      if (Number.parseInt(version.stdout.toString(), 10) < 25) return
      const asked = yield* shell(`docker __complete taskexec ${name}.`, { env })
      assert.include(asked.stdout.toString(), (yield* tasks).join(""))
    }).pipe(Effect.scoped)
  )

  it.effect("shows and inserts candidates in zsh on a terminal", () =>
    Effect.gen(function* () {
      yield* installTools({ zsh: "zsh" })
      const dir = yield* folderOfCommands
      const { manager } = yield* SwarmCluster
      const pty = yield* openPty(["zsh", "-f"], {
        env: { ...inFolder(dir), DOCKER_HOST: manager.dockerHost, TERM: "xterm" }
      })
      pty.type("PS1='ready> '; autoload -Uz compinit && compinit -D; source <(task-exec completion zsh)\r")
      yield* pty.see(/\x1b\[Jready> /)
      pty.type(`task-exec -q ${name}.\t`)
      for (const [at, task] of (yield* Web).tasks.entries()) {
        yield* pty.see(new RegExp(`${name}\\.${at + 1} +-- ${(yield* Web).nodeOf(task).name}`))
      }
      // Only one candidate is left, so Tab also completes the word.
      pty.type("1\techo $((40 + 2)) it is\r")
      yield* pty.see(/\x1b\[J42 it is\r?\n/)
      pty.type("task-exec --via=he\t")
      yield* pty.see(/lper/)
      pty.type("\x15exit 3\r")
      assert.strictEqual((yield* pty.end).code, 3)
    }).pipe(Effect.scoped)
  )

  it.effect("works in fish", () =>
    Effect.gen(function* () {
      yield* installTools({ fish: "fish" })
      const dir = yield* folderOfCommands
      const { manager } = yield* SwarmCluster
      const typed = (line: string) =>
        Effect.map(
          shell(`exec fish --no-config -c 'task-exec completion fish | source; complete -C "$argv"' '${line}'`, {
            env: { ...inFolder(dir), DOCKER_HOST: manager.dockerHost }
          }),
          ({ stderr, stdout }) => {
            assert.strictEqual(stderr, "")
            return stdout.toString()
          }
        )
      assert.strictEqual(yield* typed(`task-exec -q ${name}.`), (yield* tasks).join(""))
      assert.strictEqual(yield* typed(`task-exec ${name}.1 l`), "")
      assert.include(yield* typed("task-exec --via=h"), "--via=helper")
      yield* Effect.promise(() => writeFile(join(dir, "values.env"), ""))
      assert.include(yield* typed(`task-exec --env-file ${dir}/val`), "values.env")
    }).pipe(Effect.scoped)
  )
})

/** A folder with both commands, as a package manager installs them. */
const folderOfCommands = Effect.tap(temporaryFolder("completion"), (dir) =>
  Effect.promise(async () => {
    for (const name of ["task-exec", "swarm-exec"]) {
      const script = `#!/bin/sh\nexec '${process.execPath}' -- '${join(dist, `${name}.cjs`)}' "$@"\n`
      await writeFile(join(dir, name), script, { mode: 0o755 })
    }
  })
)

/** Shells that find the commands in this folder, and write their own files there. */
const inFolder = (dir: string) => ({
  PATH: `${dir}:${process.env.PATH}`,
  HOME: dir,
  XDG_CONFIG_HOME: dir,
  XDG_DATA_HOME: dir
})
