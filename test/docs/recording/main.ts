/**
 * `npm run recordings`: types the commands of `Recordings.ts` on a real terminal on the manager of a running swarm (TASK_EXEC_CLUSTER), and
 * writes recordings of the terminal to `docs/img`. It creates and removes the service of the commands.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { runTool } from "../../../adapters/ToolMain.ts"
import { run } from "../../cluster/Command.ts"
import { deriveImage, pushImage } from "../../cluster/Images.ts"
import { waitRunning } from "../../cluster/Services.ts"
import { SwarmCluster } from "../../cluster/SwarmCluster.ts"
import { openPty } from "../../integration/Pty.ts"
import { programsIn } from "../Programs.ts"
import { callerNode, callerPrompt, containerPrompt, type Recording, recordings, service } from "./Recordings.ts"
import { fitted, framesOf, type Written } from "./Screen.ts"
import { lengthOf, svgOf } from "./Svg.ts"

const columns = 80

/** In milliseconds: between two keys, before the next command, and of the whole recording. */
const pace = { key: 40, command: 600, all: 10_000 }

const folderOfImages = join(import.meta.dirname, "..", "..", "..", "docs", "img")

/** The command of the containers: the second one has an older release than the others. */
const script =
  '[ "$SLOT" = 2 ] && echo "release 6" > /etc/release || echo "release 7" > /etc/release; exec sleep 100000'

/** The test image with bash, which `task-exec -it` prefers to sh. */
const makeImage = Effect.fnUntraced(function* (folder: string) {
  const { manager, registry } = yield* SwarmCluster
  const image = `${registry}/web:1`
  const tar = join(folder, "bash.tar")
  const libraries = [...(yield* run("ldd", ["/bin/bash"])).matchAll(/(?<=\s)\/\S+/g)].map(([path]) => path)
  yield* run("tar", ["--create", "--dereference", "--file", tar, "--directory", "/", "/bin/bash", ...libraries])
  yield* deriveImage(manager.socket, `${registry}/busybox:1`, image, [], tar)
  yield* pushImage(manager.socket, image)
  return image
})

/** Starts the service: the first two tasks on other nodes than the caller. */
const startService = Effect.fnUntraced(function* (image: string) {
  const { manager } = yield* SwarmCluster
  const docker = (...args: ReadonlyArray<string>) => run("docker", ["--host", manager.dockerHost, ...args])
  const options = [
    ...["--name", service, "--replicas", "2", "--endpoint-mode", "dnsrr", "--stop-signal", "KILL"],
    ...["--hostname", "{{.Service.Name}}-{{.Task.Slot}}", "--env", "SLOT={{.Task.Slot}}"],
    ...["--env", `PS1=${containerPrompt}`]
  ]
  yield* Effect.acquireUseRelease(
    docker("node", "update", "--availability", "pause", callerNode),
    () =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(
          docker("service", "create", "--quiet", "--detach", ...options, image, "sh", "-c", script),
          () => Effect.orDie(docker("service", "rm", service))
        )
        yield* waitRunning(manager.socket, service, 2)
      }),
    () => Effect.orDie(docker("node", "update", "--availability", "active", callerNode))
  )
  yield* docker("service", "scale", "--detach", `${service}=3`)
  yield* waitRunning(manager.socket, service, 3)
})

/** A shell on the caller's node: its host name and files. */
const shellOn = (pid: number) => [
  ...["nsenter", `--target=${pid}`, "--mount", "--uts", "--net", "--wd=/root", "--"],
  ...["bash", "--norc", "--noprofile", "-i"]
]

const record = Effect.fn("record")(function* ({ name, rows, steps, title }: Recording, bin: string) {
  const { nodes } = yield* SwarmCluster
  const node = nodes.find((one) => one.name === callerNode)
  if (node === undefined) return yield* Effect.die(new Error(`the swarm has no ${callerNode}`))
  const written: Array<Written> = []
  let begun = 0
  const size = { columns, rows }
  const pty = yield* openPty(shellOn(node.pid), {
    ...size,
    env: {
      PATH: `${bin}:${process.env.PATH}`,
      PS1: callerPrompt,
      TERM: "xterm-256color",
      HOME: "/root",
      HISTFILE: undefined,
      DOCKER_HOST: undefined
    },
    onShown: (bytes) => {
      if (begun === 0) begun = Date.now()
      written.push({ at: Date.now() - begun, bytes })
    }
  })
  yield* pty.see(/# $/)
  for (const { keys, until } of steps) {
    yield* Effect.sleep(pace.command)
    for (const key of keys) {
      pty.type(key)
      yield* Effect.sleep(pace.key)
    }
    pty.type("\r")
    yield* pty.see(/\r\n/)
    yield* pty.see(until)
  }
  const frames = yield* Effect.promise(() => framesOf(fitted(written, pace.all), size))
  const svg = svgOf(frames, size, title)
  yield* Effect.promise(() => writeFile(join(folderOfImages, `${name}.svg`), svg))
  yield* Console.error(`${name}.svg: ${(lengthOf(frames) / 1000).toFixed(1)} s, ${svg.length} bytes`)
}, Effect.scoped)

runTool(
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-recording-"))),
      (made) => Effect.promise(() => rm(made, { recursive: true }))
    )
    const bin = yield* Effect.promise(() => programsIn(folder))
    yield* Effect.promise(() => mkdir(folderOfImages, { recursive: true }))
    yield* startService(yield* makeImage(folder))
    yield* Effect.forEach(recordings, (recording) => record(recording, bin), { discard: true })
  }).pipe(Effect.scoped, Effect.provide(SwarmCluster.layerShared))
)
