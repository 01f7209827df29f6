/** The checks of one node: what Swarm reports, and the result of a helper that runs there. */
import * as Effect from "effect/Effect"
import type { Image } from "../../src/engine/EngineSchemas.ts"
import type { Swarm } from "../../src/engine/Swarm.ts"
import type { Node } from "../../src/engine/SwarmSchemas.ts"
import { describeKillResult } from "../../src/executor/KillResult.ts"
import type { TunnelNetwork } from "../../src/helper/TunnelNetwork.ts"
import { version } from "../../src/Version.ts"
import { type Check, checksOf, type NodeName, type Subject } from "./Check.ts"
import { describeOffset, judgeOffset, offsetOf, type Stamp } from "./ClockOffset.ts"
import { explainHelper, newImage } from "./Explain.ts"
import { type Greeted, reachHelper, type Silent, tryHelper } from "./NodeTrials.ts"
import { isOlder, type NamedImage } from "./SwarmChecks.ts"

/** What is known before the checks of a node. */
export interface NodeCheckOptions {
  readonly image: NamedImage
  /** The node of the connected engine, and a stamp of its clock. */
  readonly here: { readonly id: string; readonly stamp: Stamp | undefined }
  /** Milliseconds for each of the two helpers. */
  readonly timeout: number
  /** The network to reach helpers on; `undefined`: not checked. */
  readonly network: TunnelNetwork | undefined
}

/** The checks that a helper makes. */
const shown: ReadonlyArray<Subject> = ["helper", "version", "socket", "kill"]

const nameOf = ({ Description, ID }: Node): NodeName => ({ id: ID, hostname: Description.Hostname })

/** Checks one node, with one helper after the other. */
export const checkNode = Effect.fn("Doctor.node")(function* (
  node: Node,
  options: NodeCheckOptions
): Effect.fn.Return<ReadonlyArray<Check>, never, Swarm> {
  const { here, image, timeout } = options
  const { ok, fails, skipAll } = checksOf(nameOf(node))
  const isHere = node.ID === here.id
  const network = isHere ? undefined : options.network
  const overlay: ReadonlyArray<Subject> = network === undefined ? [] : ["overlay"]
  const own = isHere && here.stamp !== undefined ? [here.stamp] : []
  const availability = checkAvailability(node)
  if (availability.verdict !== "ok") {
    const why = "the node takes no helper"
    const platform = judgePlatform(node, image.platform, false)
    return [availability, platform, ...skipAll(shown, why), judgeClock(node, own), ...skipAll(overlay, why)]
  }
  const hostname = node.Description.Hostname
  const placement = {
    image: image.reference,
    node: { id: node.ID, hostname, state: node.Status.State, availability: node.Spec.Availability },
    task: "doctor",
    placementTimeout: timeout
  }
  const trial = yield* tryHelper(placement, timeout)
  const ran = trial._tag === "Greeted"
  const reached = network === undefined || !ran ? undefined : yield* reachHelper(placement, timeout, network)
  const checks = [
    availability,
    judgePlatform(node, image.platform, ran),
    ...judgeTrial(node, trial),
    judgeClock(node, [...own, ...trial.stamps, ...(reached?.stamps ?? [])])
  ]
  if (reached === undefined) return [...checks, ...skipAll(overlay, "no helper runs on the node")]
  return [
    ...checks,
    reached.result._tag === "Success"
      ? ok("overlay", `helper reached in ${seconds(reached.result.success)}`)
      : fails("overlay", explainHelper(reached.result.failure, hostname))
  ]
})

const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

/** Whether Swarm places a helper on the node. */
export const checkAvailability = (node: Node): Check => {
  const { Description, Spec, Status } = node
  const { fails, ok, warning } = checksOf(nameOf(node))
  const { Hostname: hostname, Platform } = Description
  const found = [Status.State, Spec.Availability, Spec.Role].join(", ")
  if (Platform.OS === "windows") {
    return warning("node", { found: "Windows", next: "task-exec supports Linux nodes only" })
  }
  if (Status.State !== "ready") {
    const why = Status.Message === undefined || Status.Message === "" ? "" : ` (${Status.Message})`
    const next = `check the engine on ${hostname} and the network to it, or remove the node: docker node rm ${hostname}`
    return fails("node", { found: `${found}${why}`, next })
  }
  if (Spec.Availability === "active") return ok("node", found)
  const next = `activate the node: docker node update --availability active ${hostname}`
  // Drained managers are common, and have no tasks to run commands in.
  return Spec.Availability === "drain" && node.ManagerStatus !== undefined
    ? warning("node", { found, next: `to run tasks on it, ${next}` })
    : fails("node", { found, next })
}

/** The oldest supported engine. */
const oldestEngine = "20.10"

/** The kernel's names of CPU architectures, with the names that images have. */
const architectures: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv6l: "arm",
  armv7l: "arm",
  i386: "386",
  i686: "386"
}

/** Whether the image fits the node's platform. `ran`: a helper has run there. */
export const judgePlatform = (
  node: Node,
  image: Pick<Image, "Architecture" | "Os"> | undefined,
  ran: boolean
): Check => {
  const { fails, ok, warning } = checksOf(nameOf(node))
  const { Engine, Hostname: hostname, Platform } = node.Description
  const found = `${Platform.OS}/${Platform.Architecture}, engine ${Engine.EngineVersion}`
  if (isOlder(Engine.EngineVersion, oldestEngine)) {
    return fails("platform", { found, next: `upgrade the engine on ${hostname} to ${oldestEngine} or newer` })
  }
  const architecture = architectures[Platform.Architecture] ?? Platform.Architecture
  if (ran || image === undefined || (image.Os === Platform.OS && image.Architecture === architecture)) {
    return ok("platform", found)
  }
  return warning("platform", {
    found: `${found}; the image is ${image.Os}/${image.Architecture}`,
    next: `build the image for ${Platform.OS}/${architecture}, too`
  })
}

/** Judges the first helper: whether it runs, its version, and what it can do. */
export const judgeTrial = (node: Node, trial: Greeted | Silent): ReadonlyArray<Check> => {
  const { fails, ok, skipAll, warning } = checksOf(nameOf(node))
  const { Hostname: hostname } = node.Description
  if (trial._tag === "Silent") {
    const explanation = explainHelper(trial.error, hostname)
    // A helper that refuses does run, and speaks another protocol.
    return trial.error._tag === "HelperRefused"
      ? [
          ok("helper", "runs"),
          fails("version", explanation),
          ...skipAll(["socket", "kill"], "the helper has another version")
        ]
      : [fails("helper", explanation), ...skipAll(["version", "socket", "kill"], "no helper runs on the node")]
  }
  const { after, result, version: found } = trial
  const checks = [
    ok("helper", `runs (first output after ${seconds(after)})`),
    found === version
      ? ok("version", found)
      : warning("version", { found: `${found}, but task-exec is ${version}`, next: newImage })
  ]
  if (result._tag === "Failure") {
    const explanation = explainHelper(result.failure, hostname)
    return [...checks, fails("socket", explanation), ...skipAll(["kill"], "the helper cannot open the engine's socket")]
  }
  const killResult = result.success
  return [
    ...checks,
    ok("socket", "the helper can open the engine's socket"),
    killResult._tag === "Killed"
      ? ok("kill", "the helper can kill commands and their child processes")
      : fails("kill", {
          found: describeKillResult(killResult),
          next: `the helper must see the processes of the host: check the log of the engine on ${hostname}`
        })
  ]
}

const judgeClock = (node: Node, stamps: ReadonlyArray<Stamp>): Check => {
  const checks = checksOf(nameOf(node))
  const offset = offsetOf(stamps)
  if (offset === undefined) return checks.skip("clock", "no task on this node reported a time")
  const explanation = describeOffset(offset, node.Description.Hostname)
  const verdict = judgeOffset(offset)
  return verdict === "ok" ? checks.ok("clock", explanation.found) : checks[verdict]("clock", explanation)
}
