/** Starts the files of tests that take longest first: none of them is to be at work alone at the end. */
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Seconds that files took on two idle cores, where they took more than half a minute. The order is all that they are for. */
const seconds: Readonly<Record<string, number>> = {
  "integration/Fleet": 167,
  "integration/Silence": 161,
  "integration/Exec": 152,
  "integration/Faults": 150,
  "chaos/Chaos": 150,
  "integration/Agent": 119,
  "integration/Sweep": 104,
  "integration/Tunnel": 100,
  "integration/Escapes": 73,
  "integration/Parity": 72,
  "integration/Failures": 64,
  "integration/Engine": 63,
  "integration/Load": 63,
  "docs/Commands": 59,
  "integration/Copy": 55,
  "watch/Watch": 55,
  "integration/Doctor": 50,
  "integration/Wait": 49,
  "integration/Skopos": 48,
  "integration/Policy": 45,
  "integration/Orphans": 43,
  "integration/Managers": 38,
  "integration/UserNamespaces": 36,
  "integration/AgentSecurity": 35,
  "integration/Library": 33,
  "integration/FleetByLog": 60,
  "integration/OwnServices": 31,
  "integration/Helper": 31
}

const secondsOf = ({ moduleId }: TestSpecification): number =>
  seconds[/test\/(.+)\.test\.ts$/.exec(moduleId)?.[1] ?? ""] ?? 0

/** The order of the files. Those of unit tests keep vitest's own. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).toSorted((a, b) => secondsOf(b) - secondsOf(a))
  }
}
