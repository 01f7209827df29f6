/** `local`: a command in a task on the connected engine, which the caller reaches by its socket or through SSH. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { openSsh } from "../../test/cluster/Ssh.ts"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, dockerExec, halved, on, taskExec } from "../Contenders.ts"
import { type Contender, measure } from "../Measure.ts"

/** The contenders run on the engine's machine. */
const bySocket = ({ options, stage: { local: place, manager } }: Bench) =>
  measure(
    "commands on the same engine",
    [
      on(manager, taskExec(place.target, "true")),
      on(manager, dockerExec("docker exec CONTAINER true", manager.dockerHost, place, ["true"]))
    ],
    options
  )

/** The contenders run on another machine. A new SSH connection takes much of the time, so one that stays open is measured, too. */
const throughSsh = Effect.fnUntraced(function* ({ options, stage: { local: place, manager } }: Bench) {
  const ssh = yield* openSsh(join(options.dir, "manager"), manager)
  const { PATH = "" } = options.env
  const withHost = (host: string, { argv, name }: Contender): Contender => ({
    name,
    argv: ["env", `PATH=${ssh.bin}:${PATH}`, `DOCKER_HOST=${host}`, ...argv]
  })
  const kept = "over a connection that stays open"
  const ours = taskExec(place.target, "true")
  const docker = dockerExec("docker -H ssh://… exec", ssh.cold, place, ["true"])
  return yield* measure(
    "commands through SSH",
    [
      withHost(ssh.cold, { ...ours, name: `DOCKER_HOST=ssh://… ${ours.name}` }),
      withHost(ssh.kept, { ...ours, name: `DOCKER_HOST=ssh://… ${ours.name}, ${kept}` }),
      withHost(ssh.cold, docker),
      withHost(ssh.kept, dockerExec(`${docker.name}, ${kept}`, ssh.kept, place, ["true"]))
    ],
    halved(options)
  )
}, Effect.scoped)

/** By the engine's socket, and through SSH. */
export const local = Effect.fn("Measure.local")(function* (bench: Bench) {
  const title = "A command in a task on the connected engine"
  const about = { measure: "local", unit: "seconds" } as const
  return [
    ...compareMeasured({ ...about, title }, yield* bySocket(bench)),
    ...compareMeasured({ ...about, title: `${title}, which the caller reaches through SSH` }, yield* throughSsh(bench))
  ]
})
