import type { ExecSpec } from "../../../src/executor/ExecSpec.ts"

/** Runs `true` in the container `c`. */
export const plainSpec = {
  runId: "run",
  container: "c",
  command: ["true"],
  env: [],
  privileged: false,
  stdin: false,
  detach: false,
  signal: "SIGTERM",
  grace: 1000,
  policy: {}
} as const satisfies ExecSpec
