import { readFile, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tar from "effect/encoding/Tar"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { cpCommand } from "../../adapters/cp/CpCommand.ts"
import { extractTo, HelperImage, openTaskFiles, Swarm, type TaskFilesError } from "../../src/index.ts"
import { run } from "../cluster/Command.ts"
import { get, remove } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import {
  checkLeftoversMeanwhile,
  type ProcessOptions,
  program,
  saidOfSignal,
  sha256,
  shell,
  temporaryFolder,
  Web
} from "./Harness.ts"

checkLeftoversMeanwhile()

const folder = temporaryFolder("copy")

/** `task-exec cp` with these arguments, on the swarm's first manager. */
const cp = Effect.fn("cp")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  const env = { DOCKER_HOST: manager.dockerHost, ...options.env }
  return yield* program("task-exec.cjs", ["cp", ...args], { ...options, env })
})

const inTask = Effect.fn("inTask")(function* (pick: "local" | "remote", script: string) {
  const web = yield* Web
  const result = yield* execIn(web.nodeOf(web[pick]).socket, web[pick].containerId, ["sh", "-c", script])
  assert.strictEqual(result.exitCode, 0, result.stderr)
  return result.stdout
})

// ---------------------------------------------------------------------------------------------------------------------
// The command
// ---------------------------------------------------------------------------------------------------------------------

/** Creates the sources, in a container or locally. */
const tree = `mkdir -p d/s e; echo file > f; chmod 640 f; echo x > d/x; echo y > d/s/y; chmod 4755 d/s/y; chmod 700 d/s
ln -s f lf; ln -s d ld; ln -s new lnew; ln -s x d/l; touch -d '2020-01-02 03:04:05' d/x d/s/y f
`

/** The destinations of each source. */
const cases = [
  ...["new", "new/", "f", "f/", "d", "lf", "ld", "lnew", "none/new"].map((destination) => ["f", destination]),
  ...["new", "new/", "f", "d", "lf", "lnew"].map((destination) => ["d", destination]),
  ...["new", "new/.", "f", "d/"].map((destination) => ["d/.", destination]),
  ...["d/", "lf", "ld/", "-L lf", "-L ld", "f/", "none", "-a f"].map((source) => [source, "e/."]),
  ...["lf", "-L ld"].map((source) => [source, "new"])
].map(([source = "", destination = ""]) => ({ source, destination }))

/** Every path in a directory with mode, owner and target or content, and the times of files. */
const listing = (root: string) =>
  `cd ${root}; find . -type d -exec stat -c '%n %a %u:%g' {} +; ` +
  `find . -type l -exec sh -c 'for p; do echo "$p $(readlink "$p")"; done' _ {} +; ` +
  "find . -type f -exec stat -c '%n %a %u:%g %Y' {} +; find . -type f -exec sha256sum {} +"

/** The lines that only one of two listings has, each with its case. */
const differences = (one: string, other: string): ReadonlyArray<string> => {
  const known = new Set(other.split("\n"))
  return one
    .split("\n")
    .filter((line) => !known.has(line))
    .map((line) => {
      const found = cases[Number(/\.\/(\d+)/.exec(line)?.[1])]
      return `${found?.source} ${found?.destination}: ${line}`
    })
    .sort()
}

const commandTests = (it: Vitest.MethodsNonLive<SwarmCluster | Web>) => {
  for (const direction of ["to", "from"] as const) {
    it.effect(`${direction} a container: equals docker cp for every kind of source and destination`, () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        const here = yield* folder
        const there = `/tmp/${direction}`
        const prepare = (root: string) =>
          `mkdir -p ${root}/tree ${root}/docker ${root}/ours; cd ${root}/tree; ${tree}cd ..; ` +
          `for n in $(seq 0 ${cases.length - 1}); do cp -a tree docker/$n; cp -a tree ours/$n; done`
        yield* inTask("local", prepare(there))
        yield* run("bash", ["-c", prepare(here)])

        const argsOf = (who: string, target: string) =>
          cases.map(({ destination, source }, n) => {
            const [path = "", ...flags] = source.split(" ").toReversed()
            const [inside, outside] = [`${target}:${there}/${who}/${n}`, `${here}/${who}/${n}`]
            return direction === "to"
              ? [...flags, `${outside}/${path}`, `${inside}/${destination}`]
              : [...flags, `${inside}/${path}`, `${outside}/${destination}`]
          })
        const script = argsOf("docker", web.local.containerId)
          .map((args) => `docker cp ${args.join(" ")} >/dev/null 2>&1 && echo copied || echo refused`)
          .join("\n")
        const docker = Effect.map(shell(script, { env: { DOCKER_HOST: manager.dockerHost } }), ({ stdout }) =>
          stdout.toString().trim().split("\n")
        )
        const ours = Effect.forEach(argsOf("ours", web.target(web.local)), (args) =>
          // In this process, because starting Node for each copy would take longer than all copies.
          Effect.map(cpCommand("task-exec", ["-q", "-H", manager.dockerHost, ...args]), (code) =>
            code === 0 ? "copied" : "refused"
          )
        )
        const named = (all: ReadonlyArray<string>) =>
          all.map((outcome, n) => `${cases[n]?.source} ${cases[n]?.destination}: ${outcome}`)
        const [expected, outcomes] = yield* Effect.all([docker, ours], { concurrency: 2 })
        assert.deepStrictEqual(named(outcomes), named(expected))

        const inside = (who: string) => inTask("local", listing(`${there}/${who}`))
        const outside = (who: string) => run("bash", ["-c", listing(join(here, who))])
        for (const look of [inside, outside]) {
          const [theirs, mine] = [yield* look("docker"), yield* look("ours")]
          assert.deepStrictEqual([differences(theirs, mine), differences(mine, theirs)], [[], []])
        }
      }).pipe(Effect.scoped)
    )
  }

  it.effect("follows a local link to a directory, which docker 28 refuses, when it copies from a container", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const here = yield* folder
      yield* inTask("local", `mkdir -p /tmp/content; cd /tmp/content; ${tree}`)
      const target = `${web.target(web.local)}:/tmp/content`
      // All differences for 14 kinds of sources and 18 kinds of destinations, in both directions.
      const sources = [["d/."], ["ld/."], ["-L", "ld/."]]
      for (const [n, source] of sources.entries()) {
        for (const [m, destination] of ["ld", "ld/", "ld/."].entries()) {
          const place = join(here, `${n}-${m}`)
          yield* run("bash", ["-c", `mkdir -p ${place}/d; ln -s d ${place}/ld`])
          const [path = "", ...flags] = source.toReversed()
          const args = ["-q", "-H", manager.dockerHost, ...flags, `${target}/${path}`, `${place}/${destination}`]
          assert.strictEqual(yield* cpCommand("task-exec", args), 0, args.join(" "))
          const there = yield* run("bash", ["-c", `cd ${place}; readlink ld; cat d/x d/s/y`])
          assert.strictEqual(there, "d\nx\ny\n", args.join(" "))
        }
      }
    }).pipe(Effect.scoped)
  )

  it.effect("keeps bytes, modes, times and links of 20 MB to another node and back", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const here = yield* folder
      const make = `mkdir ${here}/t; cd ${here}/t; ${tree}head -c 20000000 /dev/urandom > big; chmod 600 big`
      yield* run("bash", ["-c", make])
      const target = web.target(web.remote)
      const to = yield* cp([join(here, "t"), `${target}:/tmp/there`])
      assert.deepStrictEqual([to.code, to.stdout.toString(), to.stderr], [0, "", ""])
      const big = yield* Effect.promise(() => readFile(join(here, "t", "big")))
      assert.strictEqual((yield* inTask("remote", "sha256sum < /tmp/there/big")).slice(0, 64), sha256(big))
      const from = yield* cp([`${target}:/tmp/there/.`, join(here, "back")])
      assert.deepStrictEqual([from.code, from.stdout.toString(), from.stderr], [0, "", ""])
      const look = (name: string) => run("bash", ["-c", listing(join(here, name))])
      const [sent, back] = [yield* look("t"), yield* look("back")]
      assert.deepStrictEqual(back.split("\n").sort(), sent.split("\n").sort())
    }).pipe(Effect.scoped)
  )

  it.effect("copies a tar archive out of one task and into another with -", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      yield* inTask("local", `mkdir -p /tmp/stream && cd /tmp/stream && ${tree}`)
      yield* inTask("remote", "mkdir -p /tmp/into")
      const [from, to] = [web.target(web.local), web.target(web.remote)]
      const result = yield* shell(
        `task-exec cp ${from}:/tmp/stream - | task-exec cp - ${to}:/tmp/into; echo "\${PIPESTATUS[@]}"`,
        { env: { DOCKER_HOST: manager.dockerHost } }
      )
      assert.deepStrictEqual([result.stdout.toString(), result.stderr], ["0 0\n", ""])
      const sent = yield* inTask("local", listing("/tmp/stream"))
      const arrived = yield* inTask("remote", listing("/tmp/into/stream"))
      assert.deepStrictEqual(arrived.split("\n").sort(), sent.split("\n").sort())
      const refused = yield* cp(["-", `${from}:/tmp/stream/f`], { input: "" })
      assert.deepStrictEqual(
        [refused.code, refused.stderr],
        [125, "task-exec cp: cannot copy to /tmp/stream/f: the destination must be a directory\n"]
      )
    })
  )

  it.effect("names the task, its node and the path in errors", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const [local, remote] = [web.target(web.local), web.target(web.remote)]
      const missing = `cannot access ${local}:/none on node ${manager.name}: no such file or directory`
      const elsewhere = `task ${remote} runs on node ${web.nodeOf(web.remote).name}, not on the connected engine's node`
      const wrong = [
        [[`${local}:/none`, "/tmp/x"], 125, missing],
        [["/etc/hostname", `${local}:/none/x`], 125, missing],
        [["/etc/hostname", `${local}:/none/`], 125, "cannot copy to /none/: no such directory"],
        [["/none", `${local}:/tmp`], 125, "/none: no such file or directory"],
        [[`${local}:/etc`, "/none/x"], 125, "/none: no such file or directory"],
        [
          [`${local}:/etc`, "/etc/hostname"],
          125,
          "cannot copy a directory to /etc/hostname: the destination is a file"
        ],
        [["--via", "local", `${remote}:/etc`, "-"], 125, `cannot use --via local: ${elsewhere}`],
        [["nobody:/etc", "-"], 125, 'no task matches "nobody": no service has this name'],
        [["no body:/etc", "-"], 2, "invalid target"],
        [["/etc/hostname", "/tmp"], 2, "one of the two paths must be TARGET:PATH\nSee 'task-exec cp --help'."]
      ] as const
      for (const [args, code, message] of wrong) {
        const result = yield* cp(args)
        assert.deepStrictEqual([result.code, result.stdout.toString()], [code, ""], args.join(" "))
        assert.include(result.stderr, message)
        assert.lengthOf(result.stderr.trim().split("\n"), code === 2 ? 2 : 1)
      }
    })
  )

  it.effect("ends when a read-only container refuses, before all data is sent", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const here = yield* folder
      const name = "copy-read-only"
      yield* service(manager.socket, { name, image, node: manager.name, containerSpec: { ReadOnly: true } })
      yield* waitRunning(manager.socket, name, 1)
      yield* Effect.promise(() => writeFile(join(here, "huge"), ""))
      yield* Effect.promise(() => truncate(join(here, "huge"), 100 * 1024 ** 3))
      const result = yield* cp([join(here, "huge"), `${name}:/huge`])
      assert.strictEqual(result.code, 125)
      assert.match(result.stderr, /^task-exec cp: cannot copy \S+:\/ on node .*read-only/)
    }).pipe(Effect.scoped)
  )

  it.effect("is refused by a policy on another node, also if the tunnel fails", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const web = yield* Web
      const here = yield* folder
      const name = "copy-denied"
      const labels = { "task-exec.allow": "false" }
      yield* service(manager.socket, { name, image, node: web.nodeOf(web.remote).name, labels })
      yield* waitRunning(manager.socket, name, 1)
      yield* Effect.promise(() => writeFile(join(here, "file"), "x"))
      // The relay cannot be attached to.
      const proxy = yield* engineProxy(manager.socket, ({ line }) => (/\/attach\?/.test(line) ? "keep" : "pass"))
      for (const paths of [
        [`${name}:/etc/passwd`, "-"],
        [join(here, "file"), `${name}:/tmp`]
      ]) {
        const { code, stderr, stdout } = yield* cp(paths, { env: { DOCKER_HOST: proxy.dockerHost } })
        assert.deepStrictEqual([code, stdout.toString()], [125, ""], stderr)
        assert.match(stderr, /^task-exec cp: cannot copy files in copy-denied\.1 on node /)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("leaves no half file and no objects if it is interrupted", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const here = yield* folder
      yield* inTask("remote", "truncate -s 100G /tmp/huge")
      let isInterrupted = false
      const streaming = yield* cp([`${web.target(web.remote)}:/tmp/huge`, "-"], {
        onOutput: (output, kill) => {
          if (isInterrupted || output.length === 0) return
          isInterrupted = true
          kill("SIGINT")
        }
      })
      assert.strictEqual(streaming.code, 130)
      assert.match(streaming.stderr, saidOfSignal)
      yield* inTask("local", "truncate -s 100G /tmp/huge")
      let kill: (signal: NodeJS.Signals) => void = () => undefined
      const onStart = (how: typeof kill) => {
        kill = how
      }
      const copy = [`${web.target(web.local)}:/tmp/huge`, join(here, "huge")]
      const writing = yield* Effect.forkChild(cp(copy, { onStart }))
      yield* grows(join(here, "huge"))
      kill("SIGTERM")
      assert.strictEqual((yield* Fiber.join(writing)).code, 143)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => stat(join(here, "huge"))))))
    }).pipe(Effect.scoped)
  )
}

/** Waits until the file has bytes. */
const grows = (path: string) => {
  const size = () =>
    stat(path).then(
      ({ size }) => size,
      () => 0
    )
  return pollUntil(
    Effect.promise(async () => (await size()) > 0),
    { atMost: 120_000, orElse: Effect.die(new Error(`nothing came into ${path}`)) }
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// The library
// ---------------------------------------------------------------------------------------------------------------------

const Library = Layer.unwrap(
  Effect.map(SwarmCluster, ({ manager }) =>
    HelperImage.layer.pipe(Layer.provideMerge(Swarm.layerFor({ _tag: "Unix", path: manager.socket })))
  )
)

const Services = Schema.Array(Schema.Struct({ ID: Schema.String }))

const archiveOf = (...entries: ReadonlyArray<Tar.Entry>) =>
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.orDie)

const fileIn = (archive: Stream.Stream<Uint8Array, TaskFilesError>) =>
  archive.pipe(
    Stream.pipeThroughChannel(Tar.decode<TaskFilesError>()),
    Stream.flatMap(({ body }) => body),
    Stream.runCollect,
    Effect.map((chunks) => Buffer.concat(chunks).toString())
  )

/** An archive without an end. Opens the latch when more of it was read than all buffers on the way can hold. */
const stalling = (begun: Latch.Latch) =>
  Stream.concat(
    Stream.take(archiveOf(Tar.file("file", Buffer.alloc(8_000_000, "x"))), 2).pipe(
      Stream.concat(Stream.fromEffectDrain(Effect.sync(() => Latch.openUnsafe(begun))))
    ),
    Stream.never
  )

layer(Library.pipe(Layer.provideMerge(Web.layer("copy"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "the files of a task",
  (it) => {
    describe("task-exec cp", () => commandTests(it))

    it.effect("several requests in a row, with refusals between them, in a container without tools", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { manager, nodes, registry } = cluster
        const here = yield* folder
        const image = `${registry}/bare-copy:1`
        // The image has only busybox, named as one applet, so it can do nothing else.
        const tar = join(here, "bare.tar")
        yield* run("tar", ["--create", `--file=${tar}`, "--directory=/bin", "--transform=s/busybox/sleep/", "busybox"])
        yield* cluster.importImage(image, tar)
        yield* cluster.push(manager, image)
        for (const [route, node] of [
          ["local", manager],
          ["helper", nodes.find(({ role }) => role === "worker") ?? manager]
        ] as const) {
          const name = `copy-bare-${route}`
          yield* service(manager.socket, { name, image, command: ["/sleep", "100000"], node: node.name })
          yield* waitRunning(manager.socket, name, 1)

          const files = yield* openTaskFiles({ target: name })
          assert.strictEqual(files.route, route)
          assert.strictEqual((yield* files.stat("/sleep")).name, "sleep")
          assert.strictEqual((yield* Effect.flip(files.stat("/none")))._tag, "PathNotFound")
          assert.strictEqual((yield* Effect.flip(files.get("/none")))._tag, "PathNotFound")
          for (const text of ["one", "two"]) {
            yield* extractTo(files, "/", archiveOf(Tar.file("file", text)))
            // More than the buffers on the way can hold, and refused after a part of it.
            const much = archiveOf(Tar.file("d", Buffer.alloc(8_000_000)))
            assert.strictEqual((yield* Effect.flip(files.put("/none", much)))._tag, "PathNotFound")
            const { archive, stat } = yield* files.get("/file")
            assert.deepStrictEqual([stat.size, yield* fileIn(archive)], [3, text])
          }
        }
      }).pipe(Effect.scoped)
    )

    for (const pick of ["local", "remote"] as const) {
      it.effect(`${pick}: an interrupted copy leaves nothing running`, () =>
        Effect.gen(function* () {
          const web = yield* Web
          const begun = yield* Latch.make()
          const open = openTaskFiles({ target: web.target(web[pick]) })
          const leaving = Effect.scoped(Effect.flatMap(open, ({ put }) => put("/tmp", stalling(begun))))
          const fiber = yield* Effect.forkChild(leaving)
          yield* begun.await
          yield* Fiber.interrupt(fiber)
          // The engine locks the container while it unpacks. If it still did, this would wait forever.
          yield* inTask(pick, "true")
        })
      )
    }

    it.effect("a copy fails with its archive", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const failing = Stream.concat(Stream.take(archiveOf(Tar.file("file", "x")), 1), Stream.fail("mine"))
        const files = yield* openTaskFiles({ target: web.target(web.local) })
        assert.strictEqual(yield* Effect.flip(files.put("/tmp", failing)), "mine")
      }).pipe(Effect.scoped)
    )

    it.effect("a killed helper ends copies in both directions with a lost connection", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        yield* inTask("remote", "truncate -s 100G /tmp/huge")
        const open = openTaskFiles({ target: web.target(web.remote) })
        const [reads, writes] = [yield* Latch.make(), yield* Latch.make()]
        const reading = Effect.flatMap(open, ({ get }) => get("/tmp/huge")).pipe(
          Effect.flatMap(({ archive }) => Stream.runForEach(archive, () => Effect.sync(() => Latch.openUnsafe(reads)))),
          Effect.scoped,
          Effect.flip
        )
        // Another container, because an engine locks one that it reads from.
        const other = web.tasks.find(({ id }) => id !== web.local.id && id !== web.remote.id) ?? web.local
        const writing = openTaskFiles({ target: other.id }).pipe(
          Effect.flatMap(({ put }) => put("/", stalling(writes))),
          Effect.scoped,
          Effect.flip
        )
        const kill = Effect.gen(function* () {
          yield* reads.await
          yield* writes.await
          const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
          const services = yield* get(manager.socket, "/services", Services, { query })
          for (const { ID } of services) yield* remove(manager.socket, `/services/${ID}`)
        })
        const errors = yield* Effect.all([reading, writing, kill], { concurrency: "unbounded" })
        assert.deepStrictEqual([errors[0]._tag, errors[1]._tag], ["CopyLost", "CopyLost"])
      })
    )
  }
)
