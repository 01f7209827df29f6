/** Runs the slowest test files first, so that none of them runs alone at the end. */
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Seconds that files take on two cores with other files running (20.10). They determine the order and limit nothing. */
const seconds: Readonly<Record<string, number>> = {
  "integration/Exec": 228,
  "integration/Agent": 222,
  "integration/Tunnel": 217,
  "integration/Fleet": 202,
  "integration/Faults": 188,
  "chaos/Chaos": 182,
  "integration/Silence": 141,
  "integration/Sweep": 141,
  "integration/FleetByLog": 138,
  "integration/Debug": 135,
  "docs/Commands": 134,
  "integration/Run": 129,
  "integration/Package": 92,
  "integration/Logs": 79,
  "integration/Load": 75,
  "integration/Forward": 75,
  "integration/Copy": 70,
  "integration/Process": 70,
  "integration/Skopos": 65,
  "integration/Failures": 65,
  "integration/Orphans": 64,
  "integration/Upstream": 62,
  "integration/Policy": 61,
  "integration/Parity": 60,
  "integration/AgentSecurity": 60,
  "integration/UserNamespaces": 59,
  "integration/Stages": 55,
  "integration/Doctor": 54,
  "integration/Wait": 53,
  "integration/DockerConfig": 51,
  "integration/Library": 49,
  "integration/Image": 46,
  "integration/Engine": 45,
  "integration/OwnServices": 43,
  "integration/Converge": 42,
  "integration/Terminal": 41,
  "watch/Watch": 38,
  "integration/Escapes": 37,
  "integration/Managers": 35,
  "integration/Session": 33,
  "integration/FileSystem": 32,
  "integration/Npm": 30,
  "integration/Costs": 28,
  "integration/Promise": 26,
  "integration/Guard": 25,
  "integration/Helper": 24,
  "integration/Ssh": 23,
  "integration/Signal": 23,
  "integration/Lookup": 22,
  "docs/Ci": 21,
  "integration/SignalMessages": 20,
  "integration/Audit": 14,
  "integration/Killing": 14,
  "integration/Contract": 12,
  "integration/Examples": 12,
  "integration/Dockerfile": 11,
  "integration/Completion": 9,
  "integration/HostView": 7
}

/** The assumed seconds of a file that is not in the list. */
const unknown = 60

const secondsOf = ({ moduleId, project }: TestSpecification): number =>
  project.name === "unit" ? 0 : (seconds[/test\/(.+)\.test\.ts$/.exec(moduleId)?.[1] ?? ""] ?? unknown)

/** The order of the files. Those of unit tests keep vitest's own. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).toSorted((a, b) => secondsOf(b) - secondsOf(a))
  }
}
