/** Runs the slowest test files first, so that none of them runs alone at the end. */
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Seconds that files take on two cores with other files running (20.10). They determine the order and limit nothing. */
const seconds: Readonly<Record<string, number>> = {
  "integration/Exec": 230,
  "chaos/Chaos": 221,
  "integration/Agent": 215,
  "integration/Fleet": 210,
  "integration/Faults": 205,
  "integration/Tunnel": 195,
  "integration/FleetByLog": 190,
  "docs/Commands": 181,
  "integration/Run": 140,
  "integration/Package": 136,
  "integration/Silence": 110,
  "integration/Upstream": 105,
  "integration/Sweep": 105,
  "integration/Copy": 88,
  "integration/Process": 88,
  "integration/Logs": 85,
  "integration/Load": 81,
  "integration/Parity": 80,
  "integration/Debug": 80,
  "integration/Engine": 80,
  "integration/Skopos": 79,
  "integration/UserNamespaces": 76,
  "integration/AgentSecurity": 75,
  "integration/Forward": 75,
  "integration/Library": 70,
  "integration/Doctor": 65,
  "integration/Terminal": 65,
  "integration/DockerConfig": 62,
  "integration/Image": 62,
  "integration/Failures": 60,
  "integration/Policy": 58,
  "integration/Orphans": 52,
  "integration/Wait": 52,
  "watch/Watch": 45,
  "integration/Converge": 44,
  "integration/Costs": 39,
  "integration/Escapes": 38,
  "integration/Managers": 37,
  "integration/Guard": 37,
  "integration/FileSystem": 34,
  "integration/OwnServices": 34,
  "integration/Session": 30,
  "integration/Promise": 26,
  "integration/Npm": 25,
  "integration/Stages": 25,
  "integration/Lookup": 25,
  "integration/SignalMessages": 24,
  "integration/Audit": 23,
  "integration/Signal": 22,
  "integration/Helper": 22,
  "docs/Ci": 19,
  "integration/Killing": 16,
  "integration/Contract": 15,
  "integration/Examples": 14,
  "integration/Completion": 9,
  "integration/Dockerfile": 9,
  "integration/HostView": 8
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
