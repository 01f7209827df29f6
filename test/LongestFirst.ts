/** Runs the slowest test files first, so that none of them runs alone at the end. */
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Seconds that files take on two cores with other files running (20.10). They determine the order and limit nothing. */
const seconds: Readonly<Record<string, number>> = {
  "integration/Tunnel": 259,
  "integration/Exec": 248,
  "integration/Agent": 229,
  "chaos/Chaos": 196,
  "integration/Faults": 186,
  "integration/Fleet": 182,
  "integration/Silence": 148,
  "integration/FleetByLog": 143,
  "docs/Commands": 119,
  "integration/Copy": 107,
  "integration/Sweep": 106,
  "integration/Debug": 94,
  "integration/Failures": 87,
  "integration/Package": 84,
  "integration/AgentSecurity": 80,
  "integration/Parity": 79,
  "integration/Upstream": 75,
  "integration/Load": 72,
  "integration/Engine": 68,
  "integration/Escapes": 60,
  "integration/Doctor": 59,
  "integration/DockerConfig": 57,
  "integration/Library": 54,
  "integration/Image": 54,
  "integration/Orphans": 53,
  "integration/Wait": 50,
  "integration/Policy": 49,
  "integration/Skopos": 45,
  "integration/UserNamespaces": 44,
  "watch/Watch": 43,
  "integration/Terminal": 43,
  "integration/Converge": 41,
  "integration/OwnServices": 39,
  "integration/Managers": 38,
  "integration/Npm": 34,
  "integration/Costs": 30,
  "integration/Session": 30,
  "integration/Promise": 30,
  "integration/Guard": 24,
  "integration/Stages": 23,
  "integration/Helper": 21,
  "integration/Audit": 21,
  "integration/Lookup": 19,
  "docs/Ci": 19,
  "integration/Completion": 11,
  "integration/Killing": 11,
  "integration/Dockerfile": 10,
  "integration/Contract": 9,
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
