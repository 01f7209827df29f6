/** Starts the files of tests that take longest first: none of them is to be at work alone at the end. */
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Seconds that files take on two cores while others run (20.10), where they take more than a quarter of a minute. They give an order, no limit. */
const seconds: Readonly<Record<string, number>> = {
  "integration/Tunnel": 250,
  "integration/Agent": 217,
  "integration/Fleet": 200,
  "chaos/Chaos": 190,
  "integration/Faults": 180,
  "integration/Exec": 150,
  "integration/FleetByLog": 141,
  "integration/Sweep": 125,
  "integration/Silence": 125,
  "integration/Parity": 93,
  "integration/Load": 80,
  "integration/Copy": 98,
  "docs/Commands": 96,
  "integration/Escapes": 55,
  "integration/Failures": 77,
  "integration/Engine": 75,
  "watch/Watch": 59,
  "integration/AgentSecurity": 59,
  "integration/Doctor": 53,
  "integration/Wait": 51,
  "integration/Policy": 43,
  "integration/Library": 43,
  "integration/Orphans": 42,
  "integration/Managers": 35,
  "integration/Skopos": 32,
  "integration/UserNamespaces": 30,
  "integration/OwnServices": 27,
  "integration/Terminal": 26,
  "integration/Costs": 26,
  "integration/DockerConfig": 24,
  "integration/Npm": 23,
  "integration/Session": 22,
  "integration/Promise": 21,
  "integration/Helper": 20,
  "integration/Stages": 20,
  "integration/Lookup": 19,
  "integration/Guard": 18,
  "integration/Image": 17,
  "integration/Audit": 16,
  "integration/Package": 16
}

const secondsOf = ({ moduleId }: TestSpecification): number =>
  seconds[/test\/(.+)\.test\.ts$/.exec(moduleId)?.[1] ?? ""] ?? 0

/** The order of the files. Those of unit tests keep vitest's own. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).toSorted((a, b) => secondsOf(b) - secondsOf(a))
  }
}
