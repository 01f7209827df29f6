/** The checks of one node: what Swarm says of it, and what comes of a helper that really runs there. */
import * as Effect from "effect/Effect"
import type { Image, Node } from "../../src/engine/EngineSchemas.ts"
import type { Swarm } from "../../src/engine/Swarm.ts"
import { describeEnding } from "../../src/executor/ExecutorErrors.ts"
import type { TunnelNetwork } from "../../src/helper/TunnelNetwork.ts"
import { version } from "../../src/Version.ts"
import { type Check, checksOf, type NodeName, type Subject } from "./Check.ts"
import { describeOffset, judgeOffset, offsetOf, type Stamp } from "./ClockOffset.ts"
import { explainHelper, newImage } from "./Explain.ts"
import { type Greeted, reachHelper, type Silent, tryHelper } from "./NodeTrials.ts"
import { isOlder, type NamedImage } from "./SwarmChecks.ts"

/** What is known before a node is looked at. */
export interface NodeCheckOptions {
  readonly image: NamedImage
  /** The node whose engine we talk to, and what that shows of its clock. */
  readonly here: { readonly id: string; readonly stamp: Stamp | undefined }
  /** Milliseconds for each of the two helpers. */
  readonly timeout: number
  /** The network to reach helpers on; `undefined`: not checked. */
  readonly network: TunnelNetwork | undefined
}

/** What a helper on a node shows. */
const shown: ReadonlyArray<Subject> = ["helper", "version", "socket", "kill"]

const nameOf = ({ Description, ID }: Node): NodeName => ({ id: ID, hostname: Description.Hostname })

/** Looks at one node, with one helper after the other. */
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
  const standing = judgeStanding(node)
  if (standing.verdict !== "ok") {
    const why = "no helper can run there"
    const platform = judgePlatform(node, image.platform, false)
    return [standing, platform, ...skipAll(shown, why), judgeClock(node, own), ...skipAll(overlay, why)]
  }
  const hostname = node.Description.Hostname
  const place = {
    image: image.reference,
    node: { id: node.ID, hostname, state: node.Status.State, availability: node.Spec.Availability },
    task: "doctor",
    placementTimeout: timeout
  }
  const trial = yield* tryHelper(place, timeout)
  const ran = trial._tag === "Greeted"
  const reached = network === undefined || !ran ? undefined : yield* reachHelper(place, timeout, network)
  const checks = [
    standing,
    judgePlatform(node, image.platform, ran),
    ...judgeTrial(node, trial),
    judgeClock(node, [...own, ...trial.stamps, ...(reached?.stamps ?? [])])
  ]
  if (reached === undefined) return [...checks, ...skipAll(overlay, "no helper runs there")]
  return [
    ...checks,
    reached.result._tag === "Success"
      ? ok("overlay", `its helper was reached (${seconds(reached.result.success)})`)
      : fails("overlay", explainHelper(reached.result.failure, hostname))
  ]
})

const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

/** Whether Swarm gives the node a helper. */
export const judgeStanding = (node: Node): Check => {
  const { Description, Spec, Status } = node
  const { fails, ok, warning } = checksOf(nameOf(node))
  const { Hostname: hostname, Platform } = Description
  const found = [Status.State, Spec.Availability, Spec.Role].join(", ")
  if (Platform.OS === "windows") {
    return warning("node", { found: "Windows", next: "task-exec is for Linux: it reaches no tasks there" })
  }
  if (Status.State !== "ready") {
    const why = Status.Message === undefined || Status.Message === "" ? "" : ` (${Status.Message})`
    const next = `check the engine on ${hostname} and the network to it, or remove it: docker node rm ${hostname}`
    return fails("node", { found: `${found}${why}`, next })
  }
  if (Spec.Availability === "active") return ok("node", found)
  const next = `make it active: docker node update --availability active ${hostname}`
  // A manager for nothing but managing is common: it has no tasks to run commands in.
  return Spec.Availability === "drain" && node.ManagerStatus !== undefined
    ? warning("node", { found, next: `if it is to run tasks, ${next}` })
    : fails("node", { found, next })
}

/** The engine that has all that we need, by its own version. */
const oldestEngine = "20.10"

/** The kernel's names for kinds of CPU, as images have them. */
const architectures: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv6l: "arm",
  armv7l: "arm",
  i386: "386",
  i686: "386"
}

/** Whether the node's kind fits; `ran`: a helper has shown that it does. */
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
    found: `${found}; the image here is ${image.Os}/${image.Architecture}`,
    next: `build the image for ${Platform.OS}/${architecture} too`
  })
}

/** What the first helper shows: whether it runs, what it is, and what it can do. */
export const judgeTrial = (node: Node, trial: Greeted | Silent): ReadonlyArray<Check> => {
  const { fails, ok, skipAll, warning } = checksOf(nameOf(node))
  const { Hostname: hostname } = node.Description
  if (trial._tag === "Silent") {
    const trouble = explainHelper(trial.error, hostname)
    // A helper that refuses does run, and speaks another protocol.
    return trial.error._tag === "HelperRefused"
      ? [ok("helper", "runs"), fails("version", trouble), ...skipAll(["socket", "kill"], "another version runs there")]
      : [fails("helper", trouble), ...skipAll(["version", "socket", "kill"], "no helper runs there")]
  }
  const { after, result, version: found } = trial
  const checks = [
    ok("helper", `runs (first word after ${seconds(after)})`),
    found === version
      ? ok("version", found)
      : warning("version", { found: `${found}; this program is ${version}`, next: newImage })
  ]
  if (result._tag === "Failure") {
    const trouble = explainHelper(result.failure, hostname)
    return [...checks, fails("socket", trouble), ...skipAll(["kill"], "the engine's socket is not open")]
  }
  const ending = result.success
  return [
    ...checks,
    ok("socket", "the helper opens the engine's"),
    ending._tag === "Killed"
      ? ok("kill", "commands can be ended, with all that they started")
      : fails("kill", {
          found: describeEnding(ending),
          next: `the engine on ${hostname} must let a container see the host's processes: see its log`
        })
  ]
}

const judgeClock = (node: Node, stamps: ReadonlyArray<Stamp>): Check => {
  const checks = checksOf(nameOf(node))
  const offset = offsetOf(stamps)
  if (offset === undefined) return checks.skip("clock", "no task of this node told its time")
  const trouble = describeOffset(offset, node.Description.Hostname)
  const verdict = judgeOffset(offset)
  return verdict === "ok" ? checks.ok("clock", trouble.found) : checks[verdict]("clock", trouble)
}
