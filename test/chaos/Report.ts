/** Formats the report of the chaos suite. */
import { faultNames, faultsOf, isTransfer, kinds, type Plan } from "./Plan.ts"
import type { RunReport } from "./Run.ts"

const describe = (plan: Plan): string => {
  const what = [
    ...(isTransfer(plan) ? [`${plan.size} bytes`] : []),
    `timeout ${plan.timeout} ms`,
    `grace ${plan.grace} ms`,
    `sleeps ${plan.length} s`,
    `output ${plan.output.join("+")} bytes`,
    ...(plan.ignoresTerm ? ["ignores TERM"] : []),
    ...(plan.setsid ? ["child in a session of its own"] : [])
  ]
  const faults = plan.faults.map(
    ({ after, at, hard, lasting, name }) =>
      `${name} ${at} ms after the ${after}'s start (${lasting} ms, ${hard ? "hard" : "soft"})`
  )
  return `${what.join(", ")}; ${faults.join("; ")}`
}

/** One line per run. */
export const runLine = ({ exit, plan, took, unhealthy, violations }: RunReport): string => {
  const verdict = violations.length === 0 ? "ok" : `VIOLATED: ${violations.map(({ check }) => check).join(", ")}`
  const place = `${plan.kind} ${plan.route} ${plan.inside ? "on" : "at"} ${plan.manager} to ${plan.target}`
  const state = unhealthy === undefined ? "" : " (swarm given up)"
  return `run ${plan.number}: ${faultsOf(plan)}, ${place}: ${exit} after ${(took / 1000).toFixed(1)} s, ${verdict}${state}`
}

/** Everything about a run that broke a promise. `form`: the flags of the command line besides seed and number. */
export const violationText = (report: RunReport, form: ReadonlyArray<string>): string => {
  const { command, missed, plan, stderr, timeline, unhealthy, violations } = report
  const again = ["--seed", plan.seed, "--from", plan.number, "--runs", 1, ...form].join(" ")
  return [
    `run ${plan.number} of seed ${plan.seed} (again: npm run chaos -- ${again})`,
    ...violations.map(({ check, detail }) => `  ${check}: ${detail}`),
    `  plan: ${describe(plan)}`,
    `  command: ${command}`,
    ...missed.map((name) => `  ${name} could not be done`),
    ...(unhealthy === undefined ? [] : [`  ${unhealthy}`]),
    "  timeline:",
    ...timeline.map((line) => `  ${line}`),
    "  stderr of the caller:",
    ...(stderr === ""
      ? ["    (nothing)"]
      : stderr
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`))
  ].join("\n")
}

const counted = (all: ReadonlyArray<string>): string => {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1)
  return [...counts]
    .toSorted(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
    .map(([one, count]) => (count === 1 ? one : `${one} (${count})`))
    .join(", ")
}

/** A table of runs, exit codes and violations, per fault and per kind. A run with two faults counts for both. */
export const table = (reports: ReadonlyArray<RunReport>): string => {
  const row = (name: string, isMeant: (plan: Plan) => boolean) => {
    const mine = reports.filter(({ plan }) => isMeant(plan))
    const violations = mine.flatMap((report) => report.violations.map(({ check }) => check))
    if (mine.length === 0) return []
    return [[name, String(mine.length), counted(mine.map(({ exit }) => exit)), counted(violations) || "none"]]
  }
  const rows = [
    ...row("two faults", ({ faults }) => faults.length > 1),
    ...faultNames.flatMap((fault) => row(fault, ({ faults }) => faults.some(({ name }) => name === fault))),
    ...kinds.flatMap((kind) =>
      [false, true].flatMap((agents) =>
        row(`${kind}${agents ? ", agents" : ""}`, (plan) => plan.kind === kind && plan.agents === agents)
      )
    )
  ]
  const all = [["fault or kind", "runs", "exit codes", "violations"], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
