/** The checks of the swarm: the connected engine, its role, the managers, the image. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { isNotFound } from "../../src/engine/EngineErrors.ts"
import type { EngineVersion, Image, Info } from "../../src/engine/EngineSchemas.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import type { Node } from "../../src/engine/SwarmSchemas.ts"
import { isUnpublished, provideImage } from "../../src/helper/DefaultImage.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { isClean, type SweepReport } from "../../src/sweep/Sweep.ts"
import { type Check, checksOf } from "./Check.ts"
import type { Stamp } from "./ClockOffset.ts"
import { explainEngine } from "./Explain.ts"

const { fails, ok, warning } = checksOf()

/** The oldest supported API version (engine 20.10). */
const oldestApi = "1.41"

/** Compares version numbers, as many as `than` has. A part that is not a number counts as new. */
export const isOlder = (version: string, than: string): boolean => {
  const numbers = (text: string) => text.split(".").map((part) => Number.parseInt(part, 10))
  const found = numbers(version)
  for (const [at, least] of numbers(than).entries()) {
    const number = found[at] ?? 0
    if (number !== least) return number < least
  }
  return false
}

/** Asks the connected engine for its description and its time. */
export const askEngine = Effect.fn("Doctor.engine")(function* () {
  const swarm = yield* Swarm
  const after = yield* Clock.currentTimeMillis
  return yield* swarm.info.pipe(
    Effect.bindTo("info"),
    Effect.bind("before", () => Clock.currentTimeMillis),
    // The same engine: another manager may respond to another request.
    Effect.bind("version", () => Effect.flatMap(swarm.engine, (engine) => engine.version)),
    Effect.match({
      onFailure: (error) => ({ check: fails("engine", explainEngine(error)), known: undefined }),
      onSuccess: ({ before, info, version }) => {
        const theirs = Date.parse(info.SystemTime)
        const stamp: Stamp | undefined = Number.isFinite(theirs) ? { theirs, after, before } : undefined
        return { check: judgeEngine(swarm.host, info, version), known: { info, stamp } }
      }
    })
  )
})

const judgeEngine = (host: string, { OSType }: Info, { ApiVersion, Version }: EngineVersion): Check => {
  const found = `${Version} (API ${ApiVersion}, ${OSType}) at ${host}`
  if (OSType !== "linux") {
    return fails("engine", { found, next: "set DOCKER_HOST to an engine for Linux containers" })
  }
  return isOlder(ApiVersion, oldestApi)
    ? fails("engine", { found, next: `upgrade the engine to 20.10 (API ${oldestApi}) or newer` })
    : ok("engine", found)
}

/** Checks that the connected engine is a manager. */
export const checkRole = ({ Name, Swarm }: Info): Check => {
  const { ControlAvailable, Error: error, LocalNodeState: state, RemoteManagers } = Swarm
  if (state === "active" && ControlAvailable) return ok("swarm", `${Name} is a manager`)
  if (state === "active") {
    const known = RemoteManagers.map(({ Addr }) => Addr.replace(/:\d+$/, "")).join(", ")
    const next = `set DOCKER_HOST to a manager${known === "" ? "" : ` (known managers: ${known})`}`
    return fails("swarm", { found: `${Name} is a worker`, next })
  }
  if (state === "locked") {
    return fails("swarm", { found: `${Name} is a locked manager`, next: "unlock the swarm: docker swarm unlock" })
  }
  if (state === "inactive") {
    const next = "set DOCKER_HOST to a manager, or create a swarm: docker swarm init"
    return fails("swarm", { found: `${Name} is not part of a swarm`, next })
  }
  const found = `${Name} is ${state}${error === "" ? "" : `: ${error}`}`
  return fails("swarm", { found, next: `check docker info and the log of the engine on ${Name}` })
}

/** Checks that enough managers are reachable, as the connected manager reports. */
export const checkManagers = (nodes: ReadonlyArray<Node>): Check => {
  const managers = nodes.filter(({ ManagerStatus }) => ManagerStatus !== undefined)
  const away = managers.filter(({ ManagerStatus }) => ManagerStatus?.Reachability !== "reachable")
  const leader = managers.find(({ ManagerStatus }) => ManagerStatus?.Leader)?.Description.Hostname
  const reachable = managers.length - away.length
  const found = `${reachable} of ${managers.length} reachable, ${leader === undefined ? "no leader" : `leader ${leader}`}`
  if (leader !== undefined && away.length === 0) return ok("managers", found)
  const names = away.map(({ Description }) => Description.Hostname).join(", ")
  const spare = reachable - (Math.floor(managers.length / 2) + 1)
  const next = `start ${names === "" ? "the managers" : names} again, or promote a worker: docker node promote NODE`
  if (leader === undefined || spare < 0) return fails("managers", { found, next })
  const without = spare === 0 ? "; if one more fails, the swarm loses its quorum" : ""
  return warning("managers", { found: `${found}, not ${names}${without}`, next })
}

/** The image of helpers, and its platform on the connected engine. */
export interface NamedImage {
  readonly reference: string
  readonly platform: Pick<Image, "Architecture" | "Os"> | undefined
  readonly check: Check
}

/** Finds the image. `named`: the image on the command line. */
export const findImage = Effect.fn("Doctor.image")(function* (named: string | undefined) {
  const engine = yield* Swarm.use((swarm) => swarm.engine)
  const images = yield* HelperImage
  const reference = yield* named === undefined ? images.reference : images.pin(named)
  const source = named === undefined ? yield* images.source : "--image"
  return yield* engine.inspectImage(reference).pipe(
    Effect.match({
      onSuccess: ({ Architecture, Os }): NamedImage => ({
        reference,
        platform: { Architecture, Os },
        check: ok("image", `${reference} (${Os}/${Architecture}), named by: ${source}`)
      }),
      onFailure: (error): NamedImage => {
        const why = isNotFound(error) ? "not on the connected engine" : error.message
        const found = `${reference} (${why}), named by: ${source}`
        const check = isUnpublished(reference)
          ? warning("image", { found, next: provideImage(reference, "each node").join(". ") })
          : ok("image", found)
        return { reference, platform: undefined, check }
      }
    })
  )
})

/** `node-2` before `node-10`. */
export const byName = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true })

/** The commands that remove leftovers of killed runs and of removed agents. */
export interface Remedies {
  readonly runs: string
  readonly agents: string
}

/** Judges the leftovers that a dry run of a sweep found. `agents`: leftovers of removed agents. */
export const judgeLeftovers = (report: SweepReport, agents: ReadonlyArray<string>, remedies: Remedies): Check => {
  const { leftovers, unanswered, unreadable } = report
  const silent = unanswered.map(({ hostname }) => hostname).toSorted(byName)
  const unseen = silent.length === 0 ? "" : `; not checked: ${silent.join(", ")}`
  const ofRuns = !isClean({ ...report, unanswered: [] })
  if (!ofRuns && agents.length === 0) return ok("leftovers", `none${unseen}`)
  const what = [
    ...(leftovers.length === 0 ? [] : [`${leftovers.length} past their deadline`]),
    ...(unreadable.length === 0 ? [] : [`${unreadable.length} with unreadable labels`]),
    ...(agents.length === 0 ? [] : [`left by removed agents: ${agents.join(", ")}`])
  ].join(", ")
  const next = [
    ...(ofRuns ? [`${remedies.runs} (add --dry-run to list them first)`] : []),
    ...(agents.length === 0 ? [] : [remedies.agents])
  ].join("; ")
  return warning("leftovers", {
    found: `${what}${unseen}`,
    next: `to remove: ${next}`
  })
}
