import { mkdir, readFile, symlink } from "node:fs/promises"
import { join } from "node:path"
import { Readable } from "node:stream"
import { assert, layer } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { makeArchive } from "../../adapters/image/Archive.ts"
import { parseElf } from "../../adapters/image/Elf.ts"
import { readIfThere } from "../../adapters/image/LocalFile.ts"
import { findLibraries } from "../../adapters/image/RootFs.ts"
import { version } from "../../src/Version.ts"
import { post, remove, request } from "../cluster/EngineApi.ts"
import { pushImage } from "../cluster/Images.ts"
import { runningCommands } from "../cluster/Leftovers.ts"
import { poll } from "../cluster/Poll.ts"
import { type ExecResult, execIn } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { blocksOf, textOf } from "../docs/Pages.ts"
import { checkLeftovers, shell, temporaryFolder, Web } from "./Harness.ts"
import { buildRelease, serveRelease } from "./Release.ts"

checkLeftovers()

const Created = Schema.Struct({ Id: Schema.String })

/** The files of a release, built once. */
class Release extends Context.Service<Release, Effect.Success<typeof buildRelease>>()("task-exec/test/Release") {
  static readonly layer = Layer.effect(Release, Effect.map(buildRelease, Release.of))
}

/** A container on the manager with busybox, the single file, and the usual content of any Linux. It sees the engine and all processes. */
class Bare extends Context.Service<Bare, { readonly sh: (script: string) => Effect.Effect<ExecResult> }>()(
  "task-exec/test/Bare"
) {
  static readonly layer = Layer.effect(
    Bare,
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const { executable } = yield* Release
      const program = yield* Effect.promise(() => readFile(executable))
      const libraries = yield* findLibraries(yield* Effect.fromResult(parseElf(program)), readIfThere)
      const archive = yield* makeArchive([
        Tar.file("usr/bin/task-exec", program, { mode: 0o755 }),
        Tar.symlink("usr/bin/task-exec-linux-x64", "task-exec"),
        Tar.symlink("usr/bin/swarm-exec", "task-exec"),
        Tar.symlink("usr/bin/swarm-exec-0.1", "task-exec"),
        Tar.symlink("usr/bin/docker-taskexec", "task-exec"),
        ...Array.from(libraries, ([path, bytes]) => Tar.file(path.slice(1), bytes, { mode: 0o755 }))
      ])
      const body = {
        Image: image,
        Cmd: ["sleep", "1000000"],
        Env: [`TASK_EXEC_IMAGE=${yield* Config.String("TASK_EXEC_IMAGE")}`],
        HostConfig: { PidMode: "host", Binds: ["/var/run/docker.sock:/var/run/docker.sock"] }
      }
      const { Id } = yield* Effect.acquireRelease(
        post(manager.socket, "/containers/create", Created, { body }),
        ({ Id }) => Effect.orDie(remove(manager.socket, `/containers/${Id}?force=1`))
      )
      yield* request(manager.socket, "PUT", `/containers/${Id}/archive`, {
        query: { path: "/" },
        headers: { "Content-Type": "application/x-tar" },
        stream: Readable.from(archive.chunks),
        timeout: 120_000
      })
      yield* request(manager.socket, "POST", `/containers/${Id}/start`)
      return Bare.of({ sh: (script) => Effect.orDie(execIn(manager.socket, Id, ["sh", "-c", script])) })
    })
  ).pipe(Layer.provideMerge(Layer.mergeAll(Web.layer("web"), Release.layer)))
}

/** The result of a program, in the order of the assertions. */
const ended = ({ exitCode, stderr, stdout }: ExecResult) => [exitCode, stdout, stderr]

/** Marked processes that are alive. */
const alive = Effect.flatMap(SwarmCluster, runningCommands)

layer(Bare.layer, { excludeTestServices: true, timeout: "600 seconds" })("task-exec as one file", (it) => {
  it.effect("runs without Node, by each of its names, and does not act as Node", () =>
    Effect.gen(function* () {
      const { sh } = yield* Bare
      assert.strictEqual((yield* sh("node --version")).exitCode, 127)
      assert.deepStrictEqual(ended(yield* sh("task-exec --version")), [0, `task-exec ${version}\n`, ""])
      assert.deepStrictEqual(ended(yield* sh("task-exec-linux-x64 version")), [0, `task-exec ${version}\n`, ""])
      for (const plugin of ["swarm-exec", "swarm-exec-0.1"]) {
        const long = yield* sh(`${plugin} task-exec --version`)
        assert.deepStrictEqual(ended(long), [0, `swarm-exec task-exec ${version}\n`, ""])
      }
      const asked = yield* sh("docker-taskexec docker-cli-plugin-metadata")
      assert.deepStrictEqual([asked.exitCode, asked.stderr], [0, ""])
      assert.include(asked.stdout, `"Version":"${version}"`)
      // Neither the environment nor the arguments affect Node.
      const ours = yield* sh("NODE_OPTIONS=--none task-exec --env-file /none/file web true")
      assert.strictEqual(ours.exitCode, 2)
      assert.match(ours.stderr, /^task-exec: cannot read --env-file \/none\/file: no such file/)
      const theirs = yield* sh("task-exec --node-options=--version web true")
      assert.strictEqual(theirs.exitCode, 2)
      assert.match(theirs.stderr, /^task-exec: .*--node-options/)
    })
  )

  it.effect("runs commands on its node and on others", () =>
    Effect.gen(function* () {
      const { sh } = yield* Bare
      const web = yield* Web
      for (const task of [web.local, web.remote]) {
        const script = "'echo out; echo err >&2; cat; exit 7'"
        const result = yield* sh(`printf in | task-exec -i ${web.target(task)} sh -c ${script}`)
        assert.deepStrictEqual(ended(result), [7, "out\nin", "err\n"])
      }
      const remote = yield* sh(`task-exec ${web.target(web.remote)} hostname`)
      assert.deepStrictEqual(ended(remote), [0, `${web.remote.containerId.slice(0, 12)}\n`, ""])
    })
  )

  it.effect("uses the release's image for helpers in a container of another image", () =>
    Effect.gen(function* () {
      const { sh } = yield* Bare
      const web = yield* Web
      const result = yield* sh(`env -u TASK_EXEC_IMAGE task-exec ${web.target(web.remote)} hostname`)
      assert.deepStrictEqual(ended(result), [0, `${web.remote.containerId.slice(0, 12)}\n`, ""])
    })
  )

  it.effect("kills its command after kill -9: the guard is the same file", () =>
    Effect.gen(function* () {
      const { sh } = yield* Bare
      const web = yield* Web
      const stubborn = "trap '' TERM; setsid sleep 7654 & echo up; while :; do sleep 0.1; done"
      const { exitCode, stderr, stdout } = yield* sh(`
        mkfifo /tmp/output
        task-exec --grace 1s ${web.target(web.local)} sh -c "${stubborn}" > /tmp/output &
        exec 3< /tmp/output
        read -r line <&3
        echo "$line"
        ps -o args | grep -c '[t]ask-exec --guard'
        kill -9 $!
      `)
      assert.deepStrictEqual([exitCode, stdout, stderr], [0, "up\n1\n", ""])
      const gone = Effect.map(alive, (items) => (items.length === 0 ? Option.some(undefined) : Option.none()))
      yield* poll(gone, {
        every: 100,
        atMost: 120_000,
        orElse: Effect.flatMap(alive, (items) => Effect.die(items.join("\n")))
      })
    })
  )

  it.effect("is a Skopos plugin", () =>
    Effect.gen(function* () {
      const { sh } = yield* Bare
      const web = yield* Web
      const input = { inst: [{ id: web.remote.id }], command: "echo 'from there'", selector: "new" }
      const good = yield* sh(`echo '${JSON.stringify(input).replaceAll("'", "'\\''")}' | swarm-exec inst_exec`)
      assert.strictEqual(good.exitCode, 0, good.stderr)
      assert.deepStrictEqual(JSON.parse(good.stdout), input)
      assert.match(good.stderr, /^EXEC: .*\nfrom there\n$/)
      const bad = yield* sh(`echo '${JSON.stringify({ ...input, command: "false" })}' | swarm-exec inst_exec`)
      assert.deepStrictEqual([bad.exitCode, bad.stdout], [2, ""])
      assert.match(bad.stderr, /\nexitcode:1 /)
    })
  )

  it.effect("installs itself as a docker CLI plugin", () =>
    Effect.gen(function* () {
      const { sh } = yield* Bare
      const plugin = "/tmp/docker/cli-plugins/docker-taskexec"
      // From a folder where its name alone cannot be resolved.
      const installed = yield* sh("cd /etc && DOCKER_CONFIG=/tmp/docker task-exec install-plugin")
      assert.deepStrictEqual(ended(installed), [0, `Installed ${plugin}. Try: docker taskexec --help\n`, ""])
      assert.strictEqual((yield* sh(`${plugin} docker-cli-plugin-metadata`)).exitCode, 0)
    })
  )

  it.effect(
    "is installed and uninstalled without a trace by each way of docs/install.md",
    () =>
      Effect.gen(function* () {
        const { files } = yield* Release
        const { manager, registry } = yield* SwarmCluster
        const shared = yield* Config.String("TASK_EXEC_IMAGE")
        const image = `${registry}/installed:1`
        yield* request(manager.socket, "POST", `/images/${shared}/tag`, {
          query: { repo: `${registry}/installed`, tag: "1" }
        })
        yield* pushImage(manager.socket, image)
        const address = yield* serveRelease(files)
        const folder = yield* temporaryFolder("install")
        const home = join(folder, "home")
        const bin = join(folder, "bin")
        yield* Effect.promise(async () => {
          await mkdir(bin)
          await mkdir(home)
          await symlink(process.execPath, join(bin, "node"))
        })
        const env = {
          ...Object.fromEntries(
            ["DOCKER_CONFIG", "NODE_COMPILE_CACHE", "TASK_EXEC_IMAGE", "XDG_CACHE_HOME"].map((name) => [
              name,
              undefined
            ])
          ),
          XDG_CONFIG_HOME: undefined,
          HOME: home,
          PATH: `${home}/.local/bin:${folder}/npm/bin:${bin}:${process.env.PATH}`,
          DOCKER_HOST: manager.dockerHost,
          RELEASE: `${address}/files`,
          IMAGE: image,
          npm_config_registry: address,
          npm_config_prefix: join(folder, "npm"),
          npm_config_cache: join(folder, "npm-cache"),
          npm_config_audit: "false",
          npm_config_fund: "false",
          npm_config_update_notifier: "false"
        }
        const sh = Effect.fnUntraced(function* (script: string) {
          const { code, stderr, stdout } = yield* shell(
            `unset -f task-exec swarm-exec; set -euo pipefail; cd ${folder}; ${script}`,
            { env }
          )
          assert.strictEqual(code, 0, `${script}\n${stdout.toString()}${stderr}`)
          return stdout.toString()
        })
        const sections = sectionsOf("docs/install.md")
        const both = ["The first command", "The helper's image", "Plugin and completion", "Before you uninstall"]
        for (const way of ["Download one file", "Install with npm"]) {
          const blocks = sections.get(way) ?? []
          assert.isAbove(blocks.length, 1, way)
          for (const text of blocks.slice(0, -1)) assert.match(yield* sh(text), /(?:^|\n)task-exec \d|added|changed/)
          const told = yield* Effect.forEach(both, (section) => Effect.forEach(sections.get(section) ?? [], sh))
          // Only the release names an image.
          assert.include(told.flat().join(""), "named by: the image of this release")
          yield* sh(blocks.at(-1) ?? "")
          assert.strictEqual(
            yield* sh(
              "hash -r; command -v task-exec || find . -path ./npm-cache -prune -o -iname '*task*exec*' -print"
            ),
            "./task-exec-linux-x64\n"
          )
        }
        for (const text of sections.get("Run the image") ?? []) yield* sh(text)
        yield* sh('! docker image inspect "$IMAGE" 2>&1')
      }).pipe(Effect.scoped),
    300_000
  )
})

/** The blocks of a page that need a release, by their section. */
const sectionsOf = (page: string): ReadonlyMap<string, ReadonlyArray<string>> => {
  const lines = textOf(page).split("\n")
  const blocks = blocksOf(page).filter(({ remark }) => remark === "release")
  const headings = (line: number) => lines.slice(0, line).filter((one) => /^##? /.test(one))
  const sections = Map.groupBy(blocks, ({ line }) => headings(line).at(-1)?.slice(3) ?? "")
  return new Map(Array.from(sections, ([section, found]) => [section, found.map(({ text }) => text)] as const))
}
