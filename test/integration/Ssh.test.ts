/** A caller that reaches the manager through SSH, with a real sshd: its SSH connections, and what remains of them. */
import { readdirSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { run } from "../cluster/Command.ts"
import { findProgram } from "../cluster/Packages.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { commandLines } from "../cluster/Processes.ts"
import { openSsh, type Ssh } from "../cluster/Ssh.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { installTools } from "../cluster/Tools.ts"
import { attached, startExec } from "./EngineFixtures.ts"
import { checkLeftovers, taskExec, temporaryFolder, Web } from "./Harness.ts"

checkLeftovers()

/** SSH to the manager, and a folder for the temporary files of its callers. */
class Access extends Context.Service<Access, { readonly ssh: Ssh; readonly dir: string; readonly temporary: string }>()(
  "task-exec/test/Ssh"
) {
  static readonly layer = Layer.effect(
    Access,
    Effect.gen(function* () {
      yield* installTools({ "openssh-client": "ssh-keygen", "openssh-server": "sshd" })
      const { manager } = yield* SwarmCluster
      const dir = yield* temporaryFolder("ssh-access")
      const temporary = join(dir, "t")
      yield* Effect.promise(() => mkdir(temporary))
      return { ssh: yield* openSsh(join(dir, "ssh"), manager), dir, temporary }
    })
  ).pipe(Layer.provideMerge(Web.layer("reached")))
}

/** The environment of a caller. */
const callerEnv = ({ ssh, temporary }: Access["Service"], address = ssh.cold) => ({
  PATH: `${ssh.bin}:${process.env.PATH}`,
  TMPDIR: temporary,
  DOCKER_HOST: address
})

/** The processes that use a file in the callers' folder, and the files there. */
const remains = ({ temporary }: Access["Service"]) =>
  Effect.sync(() => [
    ...commandLines()
      .map(({ argv }) => argv.join(" "))
      .filter((line) => line.includes(`${temporary}/`)),
    ...readdirSync(temporary)
  ])

layer(Access.layer, { excludeTestServices: true, timeout: "180 seconds" })("a caller through SSH", (it) => {
  it.effect("opens one connection for a run, and leaves nothing", () =>
    Effect.gen(function* () {
      const access = yield* Access
      const web = yield* Web
      const env = callerEnv(access)
      for (const [what, args, lines] of [
        ["on the manager", [web.target(web.local)], 1],
        ["on another node", [web.target(web.remote)], 1],
        ["in a fan-out", ["--all", web.name], web.tasks.length]
      ] as const) {
        const before = yield* access.ssh.accepted
        const { code, stderr, stdout } = yield* taskExec([...args, "echo", "hi"], { env })
        assert.strictEqual(code, 0, stderr)
        assert.strictEqual(stdout.toString().match(/\bhi\n/g)?.length, lines, what)
        assert.strictEqual((yield* access.ssh.accepted) - before, 1, what)
        assert.deepStrictEqual(yield* remains(access), [], what)
      }
    })
  )

  it.effect("leaves nothing after kill -9", () =>
    Effect.gen(function* () {
      const access = yield* Access
      const web = yield* Web
      let meanwhile: ReadonlyArray<string> = []
      const { signal, stdout } = yield* taskExec([web.target(web.local), "sh", "-c", "echo up; sleep 1000"], {
        env: callerEnv(access),
        onOutput: (_output, kill) => {
          meanwhile = readdirSync(access.temporary)
          kill("SIGKILL")
        }
      })
      assert.deepStrictEqual([signal, stdout.toString(), meanwhile.length], ["SIGKILL", "up\n", 1])
      yield* pollUntil(
        Effect.map(remains(access), (left) => left.length === 0),
        {
          atMost: 60_000,
          orElse: Effect.flatMap(remains(access), (left) => Effect.die(`after 60 s: ${left.join("; ")}`))
        }
      )
    })
  )

  it.effect("uses the connection that the user's configuration shares", () =>
    Effect.gen(function* () {
      const access = yield* Access
      const web = yield* Web
      const before = yield* access.ssh.accepted
      let meanwhile: ReadonlyArray<string> | undefined
      const { code, stderr } = yield* taskExec([web.target(web.local), "echo", "hi"], {
        env: callerEnv(access, access.ssh.kept),
        onOutput: () => {
          meanwhile = readdirSync(access.temporary)
        }
      })
      assert.deepStrictEqual([code, stderr, meanwhile], [0, "", []])
      assert.strictEqual(yield* access.ssh.accepted, before)
    })
  )

  it.effect("opens a connection for every ten streams", () =>
    Effect.gen(function* () {
      const access = yield* Access
      const { local } = yield* Web
      const { manager } = yield* SwarmCluster
      const { PATH, TMPDIR } = process.env
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(process.env, callerEnv(access))),
        () => Effect.sync(() => Object.assign(process.env, { PATH, TMPDIR: TMPDIR ?? "/tmp" }))
      )
      const before = yield* access.ssh.accepted
      const engine = DockerEngine.layerFor({ _tag: "Ssh", host: manager.name, user: "root" })
      // By default, sshd allows ten sessions on a connection (MaxSessions), and ten handshakes at the same time (MaxStartups).
      const texts = Array.from({ length: 40 }, (_, index) => `${index}`)
      yield* Effect.gen(function* () {
        const execs = yield* Effect.forEach(texts, () => startExec(local.containerId, { Cmd: ["cat"], ...attached }), {
          concurrency: "unbounded"
        })
        // All of them run. Each echoes its own line.
        yield* Effect.forEach(execs, ({ output, write }, index) =>
          Effect.gen(function* () {
            yield* write(Buffer.from(`line ${texts[index]}\n`))
            const [echo = Buffer.of()] = yield* Stream.runCollect(Stream.take(output, 1))
            assert.match(Buffer.from(echo).toString(), new RegExp(`line ${texts[index]}\n$`))
          })
        )
      }).pipe(Effect.scoped, Effect.provide(engine))
      assert.strictEqual((yield* access.ssh.accepted) - before, 4)
    }).pipe(Effect.scoped)
  )

  it.effect("reports why there is no connection", () =>
    Effect.gen(function* () {
      const access = yield* Access
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const other = join(access.dir, "other")
      yield* Effect.promise(() => mkdir(other))
      yield* run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(other, "key")])
      const config = yield* Effect.promise(() => readFile(join(access.dir, "ssh", "config"), "utf8"))
      /** The reason that task-exec reports if a value of the client's configuration is replaced. */
      const failure = Effect.fnUntraced(function* (address: string, from = "", to = from) {
        yield* Effect.promise(async () => {
          await writeFile(join(other, "config"), config.replace(from, to))
          await writeFile(join(other, "ssh"), `#!/bin/sh\nexec ${findProgram("ssh")} -F ${other}/config "$@"\n`, {
            mode: 0o755
          })
        })
        const env = { ...callerEnv(access, address), PATH: `${other}:${process.env.PATH}` }
        const { code, stderr } = yield* taskExec([web.target(web.local), "true"], { env })
        assert.strictEqual(code, 125)
        assert.deepStrictEqual(yield* remains(access), [])
        const [, reason] =
          /^task-exec: cannot connect to the Docker engine at \S+: ssh: (.*)\. Check that .*\n$/.exec(stderr) ?? []
        return reason ?? stderr
      })
      const { cold } = access.ssh
      const { address } = manager
      for (const [why, expected] of [
        [failure(cold, `${access.dir}/ssh/key`, `${other}/key`), `root@${address}: Permission denied (publickey)`],
        [failure(cold, `${access.dir}/ssh/known_hosts`, "/dev/null"), "Host key verification failed"],
        [failure(`${cold}:3`), `connect to host ${address} port 3: Connection refused`],
        [failure(cold, `HostName ${address}`, "HostName nobody.invalid"), "Could not resolve hostname nobody.invalid"],
        [failure(`${cold}/none.sock`), "dial unix /none.sock: connect: no such file or directory"]
      ] as const)
        assert.include(yield* why, expected)
    })
  )
})
