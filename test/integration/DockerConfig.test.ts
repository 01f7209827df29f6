import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { version } from "../../src/Version.ts"
import { run } from "../cluster/Command.ts"
import { deriveImage, pushImage } from "../cluster/Images.ts"
import { privateRegistry, registryUser } from "../cluster/Registry.ts"
import { openSsh } from "../cluster/Ssh.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { installTools } from "../cluster/Tools.ts"
import { checkLeftoversMeanwhile, program, shell, taskExec, temporaryFolder, Web } from "./Harness.ts"
import { openPty } from "./Pty.ts"

checkLeftoversMeanwhile()

/** A folder for the docker CLI's files. */
const folder = temporaryFolder("docker")

layer(Web.layer("config"), { excludeTestServices: true, timeout: "180 seconds" })(
  "the docker CLI's configuration",
  (it) => {
    it.effect("selects the current context, or a named one", () =>
      Effect.gen(function* () {
        const { manager, nodes } = yield* SwarmCluster
        const web = yield* Web
        const dir = yield* folder
        const docker = (...args: ReadonlyArray<string>) =>
          run("docker", args, { env: { PATH: process.env.PATH ?? "", HOME: dir, DOCKER_CONFIG: dir } })
        const worker = nodes.find(({ role }) => role === "worker")
        yield* docker("context", "create", "swarm", "--docker", `host=${manager.dockerHost}`)
        yield* docker("context", "create", "worker", "--docker", `host=${worker?.dockerHost}`)
        yield* docker("context", "use", "swarm")
        const command = [web.target(web.local), "echo", "here"]
        const env = { DOCKER_CONFIG: dir, DOCKER_HOST: undefined, DOCKER_CONTEXT: undefined }
        for (const [args, more] of [
          [[], {}],
          [["--context", "swarm"], { DOCKER_CONTEXT: "worker", DOCKER_HOST: "unix:///none" }],
          [["-H", manager.dockerHost], { DOCKER_CONTEXT: "worker" }],
          [[], { DOCKER_HOST: manager.dockerHost, DOCKER_CONTEXT: "worker" }]
        ] as const) {
          const { code, stderr, stdout } = yield* taskExec([...args, ...command], { env: { ...env, ...more } })
          assert.deepStrictEqual([code, stdout.toString()], [0, "here\n"], stderr)
        }
        const copied = yield* program(
          "task-exec.cjs",
          ["cp", "--context", "swarm", `${web.target(web.local)}:/etc/hostname`, "-"],
          { env }
        )
        assert.deepStrictEqual([copied.code, copied.stdout.subarray(0, 8).toString()], [0, "hostname"], copied.stderr)
        const refused = yield* taskExec(["--context", "worker", ...command], { env })
        assert.strictEqual(refused.code, 125)
        assert.match(refused.stderr, /this node is a worker, not a manager\. Set DOCKER_HOST to a manager/)
        const unknown = yield* taskExec(["--context", "other", ...command], { env })
        assert.strictEqual(unknown.code, 2)
        assert.match(
          unknown.stderr,
          /the context does not exist \(contexts: swarm, worker\)\nSee 'task-exec --help'\.\n$/
        )
      }).pipe(Effect.scoped)
    )

    it.effect("selects a context, whose helper image task-exec's own file names for every verb", () =>
      Effect.gen(function* () {
        const { manager, registry } = yield* SwarmCluster
        const web = yield* Web
        const dir = yield* folder
        yield* run("docker", ["context", "create", "prod", "--docker", `host=${manager.dockerHost}`], {
          env: { PATH: process.env.PATH ?? "", HOME: dir, DOCKER_CONFIG: dir }
        })
        const file = join(dir, "task-exec", "config.json")
        yield* Effect.promise(() => mkdir(join(dir, "task-exec")))
        const write = (content: unknown) => Effect.promise(() => writeFile(file, JSON.stringify(content)))
        const image = process.env.TASK_EXEC_IMAGE ?? ""
        const ofAll = `${registry}/of-all:1`
        const ofVariable = `${registry}/of-variable:1`
        const env = { DOCKER_CONFIG: dir, XDG_CONFIG_HOME: dir, DOCKER_HOST: undefined, TASK_EXEC_IMAGE: undefined }
        const inProd = { ...env, DOCKER_CONTEXT: "prod" }
        const remote = web.target(web.remote)
        const must = Effect.fnUntraced(function* (args: ReadonlyArray<string>, more = inProd) {
          const { code, stderr, stdout } = yield* program("task-exec.cjs", args, { env: more })
          assert.deepStrictEqual([code, stderr], [0, ""], args.join(" "))
          return stdout.toString()
        })
        yield* write({ image: ofAll, contexts: { prod: { image } } })
        const hostname = `${web.remote.containerId.slice(0, 12)}\n`
        assert.strictEqual(yield* must([remote, "hostname"]), hostname)
        assert.strictEqual(yield* must(["--context", "prod", remote, "hostname"], env), hostname)
        assert.include(yield* must(["cp", `${remote}:/etc/hostname`, "-"]), hostname)
        assert.match(yield* must(["gc"]), /3 of 3 nodes checked/)
        const found = `named by: context prod in ${file}`
        assert.include(yield* must(["doctor", "--no-network"]), found)

        /** The helper image that a run used, which no registry has. */
        const tried = Effect.fnUntraced(function* (
          more: Readonly<Record<string, string | undefined>>,
          ...flags: ReadonlyArray<string>
        ) {
          const { code, stderr } = yield* taskExec([...flags, remote, "true"], { env: { ...env, ...more } })
          assert.strictEqual(code, 125)
          return /cannot get the image (\S+): /.exec(stderr)?.[1] ?? stderr
        })
        const ofFlag = `${registry}/of-flag:1`
        const address = { DOCKER_HOST: manager.dockerHost }
        assert.strictEqual(yield* tried({ ...inProd, TASK_EXEC_IMAGE: ofVariable }, "--image", ofFlag), ofFlag)
        assert.strictEqual(yield* tried({ ...inProd, TASK_EXEC_IMAGE: ofVariable }), ofVariable)
        // DOCKER_HOST selects no context.
        assert.strictEqual(yield* tried({ ...address, DOCKER_CONTEXT: "prod" }), ofAll)
        yield* write({ image: ofAll, contexts: { default: { image: ofVariable } } })
        assert.strictEqual(yield* tried(address), ofVariable)
        assert.strictEqual(yield* tried(inProd), ofAll)
        yield* write({})
        assert.strictEqual(yield* tried(inProd), `task-exec:${version}`)

        yield* write({ contexts: { prod: { imgae: image } } })
        const refused = yield* taskExec([web.target(web.local), "true"], { env: inProd })
        const reason = 'contexts.prod: unknown key "imgae": expected "image". Did you mean "image"?'
        assert.deepStrictEqual(
          [refused.code, refused.stderr],
          [2, `task-exec: cannot use the configuration file ${file}: ${reason}\nSee 'task-exec --help'.\n`]
        )
      }).pipe(Effect.scoped)
    )

    it.effect("selects a manager over ssh", () =>
      Effect.gen(function* () {
        yield* installTools({ "openssh-client": "ssh-keygen", "openssh-server": "sshd" })
        const { manager } = yield* SwarmCluster
        const web = yield* Web
        const dir = yield* folder
        const ssh = yield* openSsh(join(dir, "ssh"), manager)
        const env = {
          PATH: `${ssh.bin}:${process.env.PATH}`,
          DOCKER_CONFIG: dir,
          DOCKER_HOST: undefined,
          DOCKER_CONTEXT: undefined
        }
        yield* run("docker", ["context", "create", "there", "--docker", `host=${ssh.cold}`], {
          env: { PATH: process.env.PATH ?? "", HOME: dir, DOCKER_CONFIG: dir }
        })
        for (const task of [web.local, web.remote]) {
          const options = { env, input: "a\0b" }
          const args = ["--context", "there", "-i", web.target(task), "sh", "-c", "cat; echo err >&2; exit 7"]
          const { code, stderr, stdout } = yield* taskExec(args, options)
          assert.deepStrictEqual([code, stdout.toString(), stderr], [7, "a\0b", "err\n"])
        }
        const unknown = yield* taskExec(["-H", "ssh://root@nobody.invalid", web.target(web.local), "true"], { env })
        assert.strictEqual(unknown.code, 125)
        assert.match(unknown.stderr, /^task-exec: .*ssh:\/\/root@nobody\.invalid.*nobody\.invalid.*\n$/)
      }).pipe(Effect.scoped)
    )

    it.effect("runs the plugin on a terminal: docker taskexec -it", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const web = yield* Web
        const dir = yield* folder
        const env = { DOCKER_CONFIG: dir, DOCKER_HOST: manager.dockerHost, DOCKER_CONTEXT: undefined, TERM: "xterm" }
        const installed = yield* program("task-exec.cjs", ["install-plugin"], { env })
        assert.strictEqual(installed.code, 0, installed.stderr)
        for (const task of [web.local, web.remote]) {
          const pty = yield* openPty(["docker", "taskexec", "-it", web.target(task), "sh"], {
            env,
            rows: 30,
            columns: 90
          })
          yield* pty.see(/# /)
          pty.type("stty size\r")
          yield* pty.see(/\n30 90\r?\n/)
          yield* pty.resize(20, 70)
          // Rows and columns arrive one after the other, as on any terminal.
          pty.type("until stty size | grep -x '20 70'; do sleep 0.1; done\r")
          yield* pty.see(/\n20 70\r?\n/)
          // The keys go to the shell in the container, which continues.
          pty.type("sh -c 'echo begun; sleep 1000'\r")
          yield* pty.see(/\nbegun\r?\n/)
          pty.type("\x03")
          yield* pty.see(/\^C/)
          pty.type("echo still $((40 + 2))\r")
          yield* pty.see(/\nstill 42\r?\n/)
          pty.type("exit 3\r")
          const { after, before, code } = yield* pty.end
          assert.deepStrictEqual([code, after], [3, before])
        }
      }).pipe(Effect.scoped)
    )

    it.effect("runs the plugin: docker taskexec", () =>
      Effect.gen(function* () {
        const { manager, nodes } = yield* SwarmCluster
        const web = yield* Web
        const dir = yield* folder
        const env = { DOCKER_CONFIG: dir, DOCKER_HOST: manager.dockerHost, DOCKER_CONTEXT: undefined }
        const installed = yield* program("task-exec.cjs", ["install-plugin"], { env })
        assert.strictEqual(installed.code, 0, installed.stderr)
        assert.match((yield* shell("docker --help", { env })).stdout.toString(), /^ {2}taskexec\*? .*Swarm task.*$/m)
        const target = web.target(web.local)
        const run = yield* shell(`printf 'a\\nb' | docker taskexec -i ${target} sh -c 'cat; echo err >&2; exit 7'`, {
          env
        })
        assert.deepStrictEqual([run.code, run.stdout.toString(), run.stderr], [7, "a\nb", "err\n"])
        const worker = nodes.find(({ role }) => role === "worker")
        const there = yield* shell(`docker -H ${worker?.dockerHost} taskexec ${target} true`, { env })
        assert.strictEqual(there.code, 125)
        assert.match(there.stderr, /^docker taskexec: .*is a worker/)

        // Docker is ended, and then killed. The leak check would find the command.
        for (const signal of ["SIGTERM", "SIGKILL"] as const) {
          const script = `exec docker taskexec --grace 60 ${target} sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'`
          const ended = yield* shell(script, { env, onOutput: (output, kill) => output === "up\n" && kill(signal) })
          assert.strictEqual(ended.stdout.toString(), "up\nbye\n", signal)
          if (signal === "SIGTERM") assert.strictEqual(ended.code, 3, ended.stderr)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("has the login with which a worker pulls the helper image from a private registry", () =>
      Effect.gen(function* () {
        const { dir: clusterDir, manager, registry } = yield* SwarmCluster
        const web = yield* Web
        const dir = yield* folder
        const address = yield* privateRegistry(clusterDir, registry, 5001)
        const image = `${address}/task-exec:private`
        // An image with layers that no registry has.
        yield* deriveImage(manager.socket, process.env.TASK_EXEC_IMAGE ?? "", image, ["LABEL private=yes"])
        yield* pushImage(manager.socket, image, { ...registryUser, serveraddress: address })
        const env = { DOCKER_CONFIG: dir, TASK_EXEC_IMAGE: image }
        const command = [web.target(web.remote), "echo", "there"]

        const without = yield* taskExec(command, { env })
        assert.strictEqual(without.code, 125)
        assert.match(
          without.stderr,
          new RegExp(`^task-exec: cannot start a helper on node-\\d: .*${address}/task-exec.*\n`)
        )

        const { password, username } = registryUser
        const auth = Buffer.from(`${username}:${password}`).toString("base64")
        yield* Effect.promise(() =>
          writeFile(join(dir, "config.json"), JSON.stringify({ auths: { [address]: { auth } } }))
        )
        const { code, stderr, stdout } = yield* taskExec(command, { env })
        assert.deepStrictEqual([code, stdout.toString()], [0, "there\n"], stderr)
      }).pipe(Effect.scoped)
    )
  }
)
