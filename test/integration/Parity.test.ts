import { createHash, randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, type ProcessResult, shell, Web } from "./Harness.ts"

checkLeftovers()

/**
 * What a shell does with `EXEC`: `docker exec FLAGS CONTAINER` on the task's own node, and `task-exec FLAGS TARGET` from a
 * manager. Both must write the same bytes and end with the same code. `FILE` is a file of 3 MB of random bytes.
 */
interface Case {
  readonly flags?: string
  readonly script: string
  /** Engines and we have other words for it: only the code is compared, after docker's 127 for a missing program. */
  readonly codeOnly?: boolean
}

const cases: Readonly<Record<string, Case>> = {
  "exit code 0": { script: "EXEC true" },
  "exit code 3": { script: "EXEC sh -c 'exit 3'" },
  "exit code 255": { script: "EXEC sh -c 'exit 255'" },
  "killed by a signal": { script: "EXEC sh -c 'kill -9 $$'" },
  "both outputs": { script: "EXEC sh -c 'echo out; echo err >&2'" },
  "bytes of every kind": { script: "EXEC printf 'a\\000b\\377\\376\\r\\n\\303('" },
  "no final newline": { script: "EXEC printf x" },
  "no such program": { script: "EXEC nosuchprogram", codeOnly: true },
  "arguments with everything": { script: `EXEC printf '%s|' '' 'a b' '$HOME' '*' "'" '"'` },
  "no input without -i": { script: "echo lost | EXEC cat" },
  "a command that closes its outputs": { script: "EXEC sh -c 'exec >&- 2>&-; sleep 0.2; exit 4'" },

  "-i: a line": { flags: "-i", script: "echo hello | EXEC cat" },
  "-i: nothing": { flags: "-i", script: "EXEC cat </dev/null" },
  "-i: an empty pipe": { flags: "-i", script: ": | EXEC cat" },
  "-i: the end is carried": { flags: "-i", script: "printf 'b\\na\\nc\\n' | EXEC sort" },
  "-i: a heredoc": { flags: "-i", script: "EXEC sh <<'END'\necho one\ncat <<'IN'\ntwo\nIN\nexit 6\nEND" },
  "-i: a script for a shell": { flags: "-i", script: "echo 'echo $((6*7)); exit 9' | EXEC sh" },
  "-i: a file": { flags: "-i", script: "EXEC sha256sum <FILE" },
  "-i: there and back": { flags: "-i", script: "EXEC cat <FILE | sha256sum" },
  "-i: both outputs at once": { flags: "-i", script: "EXEC sh -c 'tee /dev/stderr' <FILE 2>&1 >/dev/null | sha256sum" },
  "-i: binary": { flags: "-i", script: "printf 'a\\000\\377\\n\\r\\004\\003\\020\\021z' | EXEC od -c" },
  "-i: not read at all": { flags: "-i", script: "EXEC true <FILE" },
  "-i: not read to its end": { flags: "-i", script: "EXEC head -c 5 <FILE | sha256sum" },
  "-i: read late": { flags: "-i", script: "EXEC sh -c 'sleep 0.5; wc -c' <FILE" },
  "-i: a tar stream": {
    flags: "-i",
    script:
      "tar c -C / --sort=name etc/hostname | EXEC sh -c 'rm -rf /tmp/t; mkdir /tmp/t; tar x -C /tmp/t; ls -R /tmp/t'"
  },
  "-i: exit code after input": { flags: "-i", script: "echo x | EXEC sh -c 'cat >/dev/null; exit 8'" },
  "-i: no such program": { flags: "-i", script: "echo x | EXEC nosuchprogram", codeOnly: true },
  "-i: output after the end of the input": { flags: "-i", script: "echo x | EXEC sh -c 'cat; sleep 0.3; echo later'" },
  "-i: variables, user, folder": {
    flags: "-i -e A=1 -u 1000:1000 -w /tmp",
    script: "echo x | EXEC sh -c 'cat; echo $A $(id -u) $PWD'"
  },

  "-t: line ends": { flags: "-t", script: "EXEC sh -c 'echo out; echo err >&2'" },
  "-t: there is a terminal": { flags: "-t", script: "EXEC sh -c '[ -t 1 ] && [ -t 2 ] && tty'" },
  "-t: bytes through a terminal": { flags: "-t", script: "EXEC printf 'a\\000b\\377\\376\\r\\n\\303('" },
  "-t: much output": { flags: "-t", script: "EXEC sh -c 'yes 0123456789 | head -n 60000' | sha256sum" },
  "-t: exit code": { flags: "-t", script: "EXEC sh -c 'exit 7'" },
  "-t: no such program": { flags: "-t", script: "EXEC nosuchprogram >/dev/null", codeOnly: true },
  "-t: TERM of its own": { flags: "-t -e TERM=vt100", script: "EXEC sh -c 'echo $TERM'" },
  "-it without a terminal is refused": {
    flags: "-it",
    script: "echo x | EXEC cat; [ $? != 0 ] && exit 2",
    codeOnly: true
  }
}

const said = ({ code, stderrBytes, stdout }: ProcessResult) => ({
  code,
  stdout: stdout.toString("latin1"),
  stderr: stderrBytes.toString("latin1")
})

/** 127 is what newer engines say of a program that is not there; 126 is our word for it, on every engine. */
const ours = (code: number | null) => (code === 127 ? 126 : code)

layer(Web.layer("parity"), { excludeTestServices: true, timeout: "60 seconds" })("as docker exec on the node", (it) => {
  const inFolder = <A, E, R>(use: (file: string) => Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const folder = mkdtempSync(join(tmpdir(), "task-exec-parity-"))
        writeFileSync(join(folder, "bytes"), randomBytes(3_000_000))
        return folder
      }),
      (folder) => use(join(folder, "bytes")),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )

  /** Runs the script with both programs and compares. */
  const compare = ({ codeOnly = false, flags = "", script }: Case, place: "local" | "remote", file: string) =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const task = web[place]
      const run = (program: string, host: string) =>
        shell(script.replaceAll("EXEC", program).replaceAll("FILE", file), {
          env: { DOCKER_HOST: host, TERM: "xterm" }
        })
      const expected = yield* run(`docker exec ${flags} ${task.containerId}`, web.nodeOf(task).dockerHost)
      const actual = yield* run(`task-exec ${flags} ${web.target(task)}`, manager.dockerHost)
      if (codeOnly) assert.strictEqual(actual.code, ours(expected.code), actual.stderr)
      else assert.deepStrictEqual(said(actual), said(expected))
    })

  for (const [name, one] of Object.entries(cases)) {
    it.effect(`another node: ${name}`, () => inFolder((file) => compare(one, "remote", file)))
  }

  it.effect(
    "the same engine: all of them",
    () =>
      inFolder((file) => Effect.forEach(Object.values(cases), (one) => compare(one, "local", file), { discard: true })),
    120_000
  )

  it.effect(
    "another node: 200 MB through cat, both ways at once",
    () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        // The same bytes again and again, so that neither side has to keep them.
        const block = randomBytes(1_000_000)
        const hash = createHash("sha256")
        for (let n = 0; n < 200; n++) hash.update(block)
        yield* inFolder((file) => {
          writeFileSync(file, block)
          const input = `for i in $(seq 200); do cat ${file}; done`
          return Effect.map(
            shell(`${input} | task-exec -i ${web.target(web.remote)} cat | sha256sum`, {
              env: { DOCKER_HOST: manager.dockerHost }
            }),
            (result) => {
              assert.strictEqual(result.stdout.toString().slice(0, 64), hash.digest("hex"))
              assert.strictEqual(result.code, 0)
            }
          )
        })
      }),
    120_000
  )
})
