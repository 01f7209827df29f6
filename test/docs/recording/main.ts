/**
 * `npm run recordings`: runs what `Recordings.ts` says on the swarm at DOCKER_HOST, at a real terminal, and writes what it
 * showed to `docs/img`. Its services are made for it, and taken away.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { runTool } from "../../../adapters/ToolMain.ts"
import { run } from "../../cluster/Command.ts"
import { openPty } from "../../integration/Pty.ts"
import { programsIn } from "../Programs.ts"
import { prompt, type Recording, recordings } from "./Recordings.ts"
import { framesOf, shortened, type Written } from "./Screen.ts"
import { svgOf } from "./Svg.ts"

const columns = 92
/** Milliseconds: between two keys, before the next command, and the longest that anybody is made to look at nothing. */
const pace = { key: 45, command: 900, wait: 1500 }

const folderOfImages = join(import.meta.dirname, "..", "..", "..", "docs", "img")

const serviceFor = ({ service }: Recording) => {
  const image = `${(process.env.TASK_EXEC_IMAGE ?? "").replace(/\/[^/]*$/, "")}/busybox:1`
  const script = "echo 'release 7' > /etc/release; exec sleep 100000"
  const create = ["service", "create", "--quiet", "--name", service, "--replicas", "3", "--endpoint-mode", "dnsrr"]
  return Effect.acquireRelease(run("docker", [...create, image, "sh", "-c", script]), () =>
    Effect.orDie(run("docker", ["service", "rm", service]))
  )
}

const record = Effect.fn("record")(function* (recording: Recording, bin: string) {
  yield* Effect.logInfo(`recording ${recording.name}`)
  yield* serviceFor(recording)
  const written: Array<Written> = []
  let begun = 0
  const size = { columns, rows: recording.rows }
  const pty = yield* openPty(["bash", "--norc", "--noprofile", "-i"], {
    ...size,
    env: { PATH: `${bin}:${process.env.PATH}`, PS1: prompt, TERM: "xterm-256color", HISTFILE: undefined },
    onShown: (bytes) => {
      if (begun === 0) begun = Date.now()
      written.push({ at: Date.now() - begun, bytes })
    }
  })
  yield* pty.see(/\$ $/)
  for (const { keys, until } of recording.steps) {
    yield* Effect.sleep(pace.command)
    for (const key of keys) {
      pty.type(key)
      yield* Effect.sleep(pace.key)
    }
    pty.type("\r")
    yield* pty.see(/\r\n/)
    yield* pty.see(until)
  }
  const frames = yield* Effect.promise(() => framesOf(shortened(written, pace.wait), size))
  const file = join(folderOfImages, `${recording.name}.svg`)
  yield* Effect.promise(() => writeFile(file, svgOf(frames, size, recording.title)))
}, Effect.scoped)

runTool(
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-recording-"))),
      (made) => Effect.promise(() => rm(made, { recursive: true }))
    )
    const bin = yield* Effect.promise(() => programsIn(folder))
    yield* Effect.promise(() => mkdir(folderOfImages, { recursive: true }))
    yield* Effect.forEach(recordings, (recording) => record(recording, bin))
  }).pipe(Effect.scoped)
)
