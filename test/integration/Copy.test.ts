import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tar from "effect/encoding/Tar"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { cpCommand } from "../../adapters/cp/CpCommand.ts"
import { DockerEngine, extractTo, HelperImage, openTaskFiles } from "../../src/index.ts"
import { run } from "../cluster/Command.ts"
import { get, remove } from "../cluster/EngineApi.ts"
import { execIn, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, type ProcessOptions, program, sha256, shell, Web } from "./Harness.ts"

checkLeftovers()

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "copy-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

/** `swarm-exec cp` with these arguments, against the swarm's first manager. */
const cp = Effect.fn("cp")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  const env = { DOCKER_HOST: manager.dockerHost, ...options.env }
  return yield* program("swarm-exec.cjs", ["cp", ...args], { ...options, env })
})

const inTask = Effect.fn("inTask")(function* (pick: "local" | "remote", script: string) {
  const web = yield* Web
  const result = yield* execIn(web.nodeOf(web[pick]).socket, web[pick].containerId, ["sh", "-c", script])
  assert.strictEqual(result.exitCode, 0, result.stderr)
  return result.stdout
})

// ---------------------------------------------------------------------------------------------------------------------
// The same as docker cp
// ---------------------------------------------------------------------------------------------------------------------

/** What is in every place that is copied from and to. */
const tree = `mkdir -p d/s e; echo file > f; chmod 640 f; echo x > d/x; echo y > d/s/y; chmod 4755 d/s/y; chmod 700 d/s
ln -s f lf; ln -s d ld; ln -s new lnew; ln -s ../../.. d/out; touch -h -d '2020-01-02 03:04:05' d/x d/s f 2>/dev/null || touch -d '2020-01-02 03:04:05' d/x d/s f
`

const destinations = ["new", "new/", "new/.", "f", "f/", "d", "d/", "e/.", "lf", "ld", "lnew", "none/new"]
const sources = [
  ...["f", "d", "d/."].flatMap((source) => destinations.map((destination) => [source, destination])),
  ...["d/", "lf", "ld", "ld/", "-L lf", "-L ld", "f/", "none", "d/x", "-a f"].map((source) => [source, "e"]),
  ...["lf", "ld/", "-L lf", "-L ld"].map((source) => [source, "new"])
].map(([source = "", destination = ""]) => ({ source, destination }))

/** `docker cp` refuses a tree with a link that leads out of it, whose bytes it never writes through: ours is copied as it is. */
const without = "rm d/out\n"

/** Every path in a folder with kind, mode, size or target, time of files, and content. */
const listing = (root: string) =>
  `cd ${root}; find . | sort | while read -r p; do if [ -h "$p" ]; then echo "$p -> $(readlink "$p")"; ` +
  `elif [ -d "$p" ]; then stat -c '%n %F %a %u:%g' "$p"; else echo "$(stat -c '%n %a %u:%g %h' "$p") $(cat "$p")"; fi; done; ` +
  "find . -name '[xy]' | sort | xargs stat -c '%n %Y'"

layer(Web.layer("copy"), { excludeTestServices: true, timeout: "120 seconds" })("swarm-exec cp", (it) => {
  for (const direction of ["to", "from"] as const) {
    it.effect(`${direction} a container: the same results as docker cp, for every kind of source and destination`, () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        const settings = ConfigProvider.fromEnvRecord({ DOCKER_HOST: manager.dockerHost })
        const here = yield* folder
        const there = `/tmp/${direction}`
        const prepare = (root: string) =>
          `for n in $(seq 0 ${sources.length - 1}); do for who in docker ours; do mkdir -p ${root}/$who/$n; cd ${root}/$who/$n; ${tree}${without}done; done`
        yield* inTask("local", prepare(there))
        yield* run("bash", ["-c", prepare(here)])
        const argsOf = (who: string, target: string) =>
          sources.map(({ destination, source }, n) => {
            const [path = "", ...flags] = source.split(" ").toReversed()
            const [inside, outside] = [`${target}:${there}/${who}/${n}`, `${here}/${who}/${n}`]
            return direction === "to"
              ? [...flags, `${outside}/${path}`, `${inside}/${destination}`]
              : [...flags, `${inside}/${path}`, `${outside}/${destination}`]
          })
        const script = argsOf("docker", web.local.containerId)
          .map((args) => `docker cp ${args.join(" ")} >/dev/null 2>&1 && echo copied || echo refused`)
          .join("\n")
        const docker = (yield* shell(script, { env: { DOCKER_HOST: manager.dockerHost } })).stdout.toString()
        const ours = yield* Effect.forEach(argsOf("ours", web.target(web.local)), (args) =>
          cpCommand(["-q", ...args]).pipe(
            Effect.provideService(ConfigProvider.ConfigProvider, settings),
            Effect.map((code) => (code === 0 ? "copied" : "refused"))
          )
        )
        const named = (outcomes: ReadonlyArray<string>) =>
          outcomes.map((outcome, n) => `${sources[n]?.source} ${sources[n]?.destination}: ${outcome}`)
        assert.deepStrictEqual(named(ours), named(docker.trim().split("\n")))
        assert.strictEqual(
          yield* inTask("local", listing(`${there}/ours`)),
          yield* inTask("local", listing(`${there}/docker`))
        )
        const listed = (who: string) => run("bash", ["-c", listing(join(here, who))])
        assert.strictEqual(yield* listed("ours"), yield* listed("docker"))
      }).pipe(Effect.scoped)
    )
  }

  it.effect("50 MB to another node and back: the same bytes, modes, times and links", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const here = yield* folder
      yield* run("bash", [
        "-c",
        `mkdir ${here}/t; cd ${here}/t; ${tree}head -c 50000000 /dev/urandom > big; chmod 600 big`
      ])
      const target = web.target(web.remote)
      const to = yield* cp([join(here, "t"), `${target}:/tmp/there`])
      assert.deepStrictEqual([to.code, to.stdout.toString(), to.stderr], [0, "", ""])
      const big = yield* Effect.promise(() => readFile(join(here, "t", "big")))
      assert.strictEqual((yield* inTask("remote", "sha256sum < /tmp/there/big")).slice(0, 64), sha256(big))
      const from = yield* cp([`${target}:/tmp/there/.`, join(here, "back")])
      assert.deepStrictEqual([from.code, from.stdout.toString(), from.stderr], [0, "", ""])
      const look = (name: string) =>
        run("bash", [
          "-c",
          `cd ${here}/${name}; find . -printf '%p %y %m %n %l %T@\\n' | sort; find . -type f | sort | xargs sha256sum`
        ])
      assert.strictEqual(yield* look("back"), (yield* look("t")).replace(/(\d+)\.\d+$/gm, "$1.0000000000"))
    }).pipe(Effect.scoped)
  )

  it.effect("- is a tar archive: out of one task and into another", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      yield* inTask("local", `mkdir -p /tmp/stream && cd /tmp/stream && ${tree}`)
      yield* inTask("remote", "mkdir -p /tmp/into; echo file > /tmp/no-directory")
      const [from, to] = [web.target(web.local), web.target(web.remote)]
      const result = yield* shell(
        `swarm-exec cp ${from}:/tmp/stream - | swarm-exec cp - ${to}:/tmp/into; echo "\${PIPESTATUS[@]}"`,
        { env: { DOCKER_HOST: manager.dockerHost } }
      )
      assert.deepStrictEqual([result.stdout.toString(), result.stderr], ["0 0\n", ""])
      assert.strictEqual(
        yield* inTask("remote", listing("/tmp/into/stream")),
        yield* inTask("local", listing("/tmp/stream"))
      )
      const refused = yield* cp(["-", `${from}:/tmp/stream/f`], { input: "" })
      assert.deepStrictEqual(
        [refused.code, refused.stderr],
        [125, "swarm-exec cp: destination /tmp/stream/f must be a directory\n"]
      )
    })
  )

  it.effect("a target without any tool in it, here and on another node", () =>
    Effect.gen(function* () {
      const cluster = yield* SwarmCluster
      const { manager, nodes, registry } = cluster
      const here = yield* folder
      const bare = `${registry}/bare-copy:1`
      const tar = join(here, "bare.tar")
      yield* run("tar", ["--create", `--file=${tar}`, "--directory=/bin", "--transform=s/busybox/sleep/", "busybox"])
      yield* cluster.importImage(bare, tar)
      yield* cluster.push(manager, bare)
      yield* Effect.promise(() => mkdir(join(here, "d")))
      yield* Effect.promise(() => writeFile(join(here, "d", "file"), "no tools"))
      const worker = nodes.find(({ role }) => role === "worker")
      for (const node of [manager, worker]) {
        const name = `bare-copy-${node?.name}`
        yield* service(manager.socket, { name, image: bare, command: ["/sleep", "100000"], node: node?.name ?? "" })
        yield* waitRunning(manager.socket, name, 1)
        assert.strictEqual((yield* cp([join(here, "d"), `${name}:/new`])).code, 0)
        const back = yield* cp([`${name}:/new/file`, join(here, `back-${node?.name}`)])
        assert.deepStrictEqual([back.code, back.stderr], [0, ""])
        const text = yield* Effect.promise(() => readFile(join(here, `back-${node?.name}`), "utf8"))
        assert.strictEqual(text, "no tools")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("what can't be done is said, with the task, its node and the path", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const [local, remote] = [web.target(web.local), web.target(web.remote)]
      const cases = [
        [
          [`${local}:/none`, "/tmp/x"],
          125,
          `no such file or directory: /none in the container of ${local} on node ${manager.name}`
        ],
        [
          [`${remote}:/none`, "/tmp/x"],
          125,
          `no such file or directory: /none in the container of ${remote} on node ${web.nodeOf(web.remote).name}`
        ],
        [
          ["/etc/hostname", `${local}:/none/x`],
          125,
          `no such file or directory: /none in the container of ${local} on node ${manager.name}`
        ],
        [["/etc/hostname", `${local}:/none/`], 125, "no such directory: /none/"],

        [["/none", `${local}:/tmp`], 125, "/none: no such file or directory"],
        [[`${local}:/etc`, "/none/x"], 125, "/none: no such file or directory"],
        [[`${local}:/etc`, "/etc/hostname"], 125, "can't copy a directory to /etc/hostname, which is a file"],
        [
          ["--via", "local", `${remote}:/etc`, "-"],
          125,
          `route local is not possible: task ${remote} runs on node ${web.nodeOf(web.remote).name}, which is not the node of this engine`
        ],
        [["nobody:/etc", "-"], 125, '"nobody": it is neither'],
        [["no body:/etc", "-"], 2, "invalid target"],
        [["/etc/hostname", "/tmp"], 2, "one of the two paths must be TARGET:PATH; run with --help for usage"]
      ] as const
      for (const [args, code, message] of cases) {
        const result = yield* cp(args)
        assert.deepStrictEqual([result.code, result.stdout.toString()], [code, ""], args.join(" "))
        assert.include(result.stderr, message)
        assert.strictEqual(result.stderr.trim().split("\n").length, 1)
      }
    })
  )

  it.effect("a read-only container takes nothing, and says so at once however much there is to come", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const here = yield* folder
      const name = "copy-read-only"
      yield* service(manager.socket, { name, image, containerSpec: { ReadOnly: true } })
      const [task] = yield* waitRunning(manager.socket, name, 1)
      yield* Effect.promise(() => writeFile(join(here, "huge"), ""))
      yield* Effect.promise(() => truncate(join(here, "huge"), 100 * 1024 ** 3))
      const result = yield* cp([join(here, "huge"), `${name}:/huge`])
      assert.strictEqual(result.code, 125)
      assert.match(result.stderr, /^swarm-exec cp: could not copy \/ in the container of .*read-only/)
      assert.isDefined(task)
    }).pipe(Effect.scoped)
  )

  it.effect("interrupted half-way: no success, no half file, and nothing of ours is left", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const here = yield* folder
      yield* inTask("remote", "truncate -s 100G /tmp/huge")
      const stalled = yield* cp([`${web.target(web.remote)}:/tmp/huge`, "-"], {
        onOutput: (output, kill) => output.length > 0 && kill("SIGINT")
      })
      assert.deepStrictEqual([stalled.code, stalled.stderr], [130, ""])
      yield* inTask("local", "truncate -s 100G /tmp/huge")
      const copying = yield* Effect.forkChild(
        cp([`${web.target(web.local)}:/tmp/huge`, join(here, "huge")], { onStart })
      )
      yield* grows(join(here, "huge"))
      kill("SIGTERM")
      assert.strictEqual((yield* Fiber.join(copying)).code, 143)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => stat(join(here, "huge"))))))
    }).pipe(Effect.scoped)
  )
})

let kill: (signal: NodeJS.Signals) => void = () => undefined
const onStart = (how: typeof kill) => {
  kill = how
}

/** Done when the file has bytes. */
const grows = (path: string) =>
  Effect.promise(() =>
    stat(path).then(
      ({ size }) => size,
      () => 0
    )
  ).pipe(Effect.delay("20 millis"), Effect.repeat({ until: (size) => size > 0 }))

// ---------------------------------------------------------------------------------------------------------------------
// The library
// ---------------------------------------------------------------------------------------------------------------------

const Library = Layer.unwrap(
  Effect.map(SwarmCluster, ({ manager }) =>
    HelperImage.layer.pipe(Layer.provideMerge(DockerEngine.layerFor({ _tag: "Unix", path: manager.socket })))
  )
)

const Services = Schema.Array(Schema.Struct({ ID: Schema.String }))

const archiveOf = (...entries: ReadonlyArray<Tar.Entry>) =>
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.orDie)

/** An archive that begins, tells so, and then neither goes on nor ends. */
const stalling = (begun: Latch.Latch) =>
  Stream.concat(
    archiveOf(Tar.file("file", Buffer.alloc(3_000_000, "x"))).pipe(
      Stream.take(1),
      Stream.tap(() => Effect.sync(() => Latch.openUnsafe(begun)))
    ),
    Stream.never
  )

layer(Library.pipe(Layer.provideMerge(Web.layer("copy"))), { excludeTestServices: true, timeout: "120 seconds" })(
  "the files of a task, from the library",
  (it) => {
    for (const pick of ["local", "remote"] as const) {
      it.effect(`${pick}: one thing after the other over one connection, refusals between them`, () =>
        Effect.gen(function* () {
          const web = yield* Web
          const files = yield* openTaskFiles({ target: web.target(web[pick]) })
          assert.strictEqual((yield* files.stat("/etc")).name, "etc")
          assert.strictEqual((yield* Effect.flip(files.stat("/none")))._tag, "PathNotFound")
          assert.strictEqual((yield* Effect.flip(files.get("/none")))._tag, "PathNotFound")
          for (const text of ["one", "two"]) {
            yield* extractTo(files, "/tmp", archiveOf(Tar.file("library", text)))
            // More than there is room for, refused after a part of it.
            const much = archiveOf(Tar.directory("d"), Tar.file("d/library", ""), Tar.file("d/library/x", "x"))
            const more = Stream.concat(much, Stream.repeat(Stream.make(Buffer.alloc(65_536)), Schedule.recurs(100)))
            assert.strictEqual((yield* Effect.flip(files.put("/none", more)))._tag, "PathNotFound")
            const { archive, stat } = yield* files.get("/tmp/library")
            assert.strictEqual(stat.size, 3)
            const bytes = Buffer.concat(yield* Stream.runCollect(archive))
            assert.include(bytes.toString(), text)
          }
        }).pipe(Effect.scoped)
      )

      it.effect(`${pick}: an archive that fails is no success, and whoever leaves leaves nothing at work`, () =>
        Effect.gen(function* () {
          const web = yield* Web
          const begun = yield* Latch.make()
          const open = openTaskFiles({ target: web.target(web[pick]) })
          const failing = Stream.concat(archiveOf(Tar.file("file", "x")).pipe(Stream.take(1)), Stream.fail("mine"))
          const error = yield* Effect.flip(Effect.scoped(Effect.flatMap(open, ({ put }) => put("/tmp", failing))))
          assert.strictEqual(error, "mine")
          const leaving = Effect.scoped(Effect.flatMap(open, ({ put }) => put("/tmp", stalling(begun))))
          const fiber = yield* Effect.forkChild(leaving)
          yield* begun.await
          yield* Fiber.interrupt(fiber)
          // The engine of then held the container as long as it unpacked: this would wait for ever.
          yield* inTask(pick, "true")
        })
      )
    }

    it.effect("a helper that goes away half-way: the connection is lost, in both directions", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        yield* inTask("remote", "truncate -s 100G /tmp/huge")
        const kill = Effect.gen(function* () {
          const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
          const services = yield* get(manager.socket, "/services", Services, { query })
          for (const { ID } of services) yield* remove(manager.socket, `/services/${ID}`)
        })
        const open = openTaskFiles({ target: web.target(web.remote) })
        const begun = yield* Latch.make()
        const reading = Effect.scoped(
          Effect.gen(function* () {
            const { archive } = yield* (yield* open).get("/tmp/huge")
            yield* Stream.runForEach(archive, () => Effect.sync(() => Latch.openUnsafe(begun)))
          })
        )
        const [error] = yield* Effect.all([Effect.flip(reading), Effect.andThen(begun.await, kill)], { concurrency: 2 })
        assert.strictEqual(error._tag, "CopyLost")
        const again = yield* Latch.make()
        const writing = Effect.scoped(Effect.flatMap(open, ({ put }) => put("/tmp", stalling(again))))
        const [other] = yield* Effect.all([Effect.flip(writing), Effect.andThen(again.await, kill)], { concurrency: 2 })
        assert.strictEqual(other._tag, "CopyLost")
      })
    )
  }
)
