/** Checks every promise after a run, whatever the faults were. */
import type { CallerEnd } from "./Caller.ts"
import { killed } from "./CommandWork.ts"
import { endlessSleep, hasFault, isTransfer, type Plan } from "./Plan.ts"
import { amountOf, digest, outputOf } from "./Script.ts"
import type { Delivery, TaskSeen, WorkSeen } from "./Work.ts"

/** How long a run's processes may outlive its timeout and grace period, in milliseconds. */
export const processSlack = 20_000
/** How long the caller may outlive its timeout and grace period, in milliseconds. */
export const callerSlack = 120_000

/** The observations of a run. Times are in milliseconds. */
export interface Observation extends WorkSeen {
  readonly plan: Plan
  /** How the caller ended. `undefined` if it did not end in time. */
  readonly end: CallerEnd | undefined
  /** The time from the caller's start to its end. */
  readonly took: number
  readonly stderr: string
  /** The time from the first to the last observation of a process of the run. */
  readonly processesLived: number
  /** Descriptions of processes that outlived their limit. */
  readonly lingering: ReadonlyArray<string>
  /** Descriptions of processes that ran right after the caller's end. */
  readonly atCallersEnd: ReadonlyArray<string>
  /** Services, secrets and networks that existed after the caller's end. */
  readonly leftByCaller: ReadonlyArray<{ readonly kind: string; readonly name: string }>
  /** Descriptions of objects that the sweep did not remove. Empty if the swarm did not recover. */
  readonly leftBySweep: ReadonlyArray<string>
  /** The crash in an engine's log. */
  readonly crash: string | undefined
}

/** A broken promise. */
export interface Violation {
  readonly check: "at most once" | "ended" | "nothing left" | "proof" | "clear end" | "engines"
  readonly detail: string
}

const isUndisturbed = ({ faults }: Plan): boolean => faults.every(({ name }) => name === "none")

/** The exit codes that this run may have. */
const allowedCodes = (plan: Plan): ReadonlyArray<number> => [
  ...(isTransfer(plan) ? [0] : [plan.exitCode, 124]),
  125,
  // The command's own exit code, if the forwarded signal or, after the grace period, KILL ended it.
  ...(hasFault(plan, "caller-int") ? [130, 137] : []),
  ...(hasFault(plan, "caller-term") ? [143, 137] : [])
]

const lastLine = /(?:^|\n)task-exec(?: [a-z-]+)?: [^\n]+\n$/

const checkOnce = ({ plan, tasks }: Observation): ReadonlyArray<string> =>
  tasks.flatMap(({ node, record }) => {
    const starts = record.filter((line) => line === `start ${plan.number}`).length
    return starts <= 1 ? [] : [`the command on ${node} was started ${starts} times`]
  })

const checkEnded = ({ atCallersEnd, delivery, end, lingering, plan, processesLived, stderr, tasks }: Observation) => {
  const bound = plan.timeout + plan.grace + processSlack
  // The commands of a fan-out start at different times.
  const isLate = lingering.length > 0 || (plan.kind !== "fan-out" && processesLived > bound)
  const late = !isLate ? [] : [`alive ${processesLived} ms after the start (at most ${bound}): ${lingering.join(", ")}`]
  const said = end?.code !== 124 && /may still|still alive/.test(stderr)
  const early =
    killed.includes(end?.code) && tasks.every(({ isOver }) => isOver) && atCallersEnd.length > 0 && !said
      ? [`exit code ${end?.code} says that the command was killed; alive then: ${atCallersEnd.join(", ")}`]
      : []
  return [...late, ...early, ...(delivery?.isStuck === true ? ["the connection neither ended nor was reset"] : [])]
}

const checkNothingLeft = (seen: Observation): ReadonlyArray<string> => {
  const silent = seen.end === undefined || seen.end.signal === "SIGKILL"
  const mayLeave = (name: string) => !isUndisturbed(seen.plan) && seen.stderr.includes(name)
  const unsaid = silent ? [] : seen.leftByCaller.filter(({ name }) => !mayLeave(name))
  const terminal = seen.end?.terminal === "changed" && !silent ? ["the terminal's settings are not restored"] : []
  return [
    ...terminal,
    ...unsaid.map(({ kind, name }) => `${kind} ${name} is left after the caller's end, without a reason`),
    ...seen.leftBySweep.map((item) => `left after the sweep: ${item}`)
  ]
}

const checkTask = (plan: Plan, { exit, node, record, stdout }: TaskSeen): ReadonlyArray<string> => {
  const expected = outputOf(plan)
  const arrived = `${stdout.length} bytes, ${digest(stdout)}`
  const prefix =
    amountOf(stdout, expected) === "other bytes" ? [`the output on ${node} is another one: ${arrived}`] : []
  if (exit !== plan.exitCode) return prefix
  const whole =
    stdout.length === expected.length ? [] : [`exit code ${exit} on ${node} with ${arrived} of ${expected.length}`]
  const proven = record.includes(`end ${plan.number}`)
    ? []
    : [`exit code ${exit} on ${node}, but the command did not come to its end`]
  return [...prefix, ...whole, ...proven]
}

const checkDelivery = ({ amount, isClaimed }: Delivery) => {
  if (amount === "other bytes") return ["other bytes arrived than were sent"]
  return isClaimed && amount !== "whole" ? [`success was reported, and ${amount} arrived`] : []
}

const checkProof = ({ delivery, end, plan, tasks }: Observation): ReadonlyArray<string> => {
  const unproven = tasks.filter(({ exit, record }) => exit !== 0 && record.length > 0).map(({ node }) => node)
  return [
    ...tasks.flatMap((task) => checkTask(plan, task)),
    ...(end?.code === 0 && unproven.length > 0 ? [`exit code 0, and no success on ${unproven.join(", ")}`] : []),
    ...(delivery === undefined ? [] : checkDelivery(delivery))
  ]
}

/** Whether the plan sends the caller this signal. */
const sends = (plan: Plan, signal: NodeJS.Signals): boolean =>
  (signal === "SIGKILL" && hasFault(plan, "caller-kill")) ||
  (signal === "SIGINT" && hasFault(plan, "caller-int")) ||
  (signal === "SIGTERM" && hasFault(plan, "caller-term"))

/** Node's default action ends a process that gets a signal before the program starts. Nothing was created then. */
const hadNotStarted = ({ delivery, leftByCaller, stderr, tasks }: Observation): boolean =>
  tasks.every(({ record, stdout }) => record.length === 0 && stdout.length === 0) &&
  leftByCaller.length === 0 &&
  stderr === "" &&
  (delivery?.amount ?? "nothing") === "nothing"

/** The last line of every fan-out. */
const summary = /^task-exec: \d+ tasks?: [^\n]*\n/m

const checkClearEnd = (seen: Observation): ReadonlyArray<string> => {
  const { end, plan, stderr, took } = seen
  if (end === undefined) return [`the caller had not ended after ${took} ms`]
  const { code, signal } = end
  if (signal !== null) {
    const expected = sends(plan, signal) && (signal === "SIGKILL" || hadNotStarted(seen))
    return expected ? [] : [`the caller was ended by ${signal}`]
  }
  const problems: Array<string> = []
  if (code === null || !allowedCodes(plan).includes(code)) problems.push(`exit code ${code}`)
  if ((code === 124 || code === 125) && !lastLine.test(stderr)) problems.push(`exit code ${code} without a clear line`)
  const strange = stderr.split("\n").filter((line) => line !== "" && !/^task-exec(?: [a-z-]+)?: /.test(line))
  if (strange.length > 0) problems.push(`lines on stderr that are none of ours: ${strange.slice(0, 3).join(" | ")}`)
  if (/internal error|\n\s+at /.test(stderr)) problems.push("an internal error")
  if (code === 124 && took < plan.timeout) problems.push(`exit code 124 after ${took} ms, before the timeout`)
  // Forwarding reports a connection that failed, and goes on.
  const mayReport = plan.kind === "port-forward"
  if (
    code === 0 &&
    !mayReport &&
    lastLine.test(stderr.replace(summary, "")) &&
    !/left behind|may still|SIG/.test(stderr)
  )
    problems.push("exit code 0 with a line on stderr")
  return problems
}

/** Milliseconds that a command may take besides its sleep. */
const commandSlack = 3000

/** Without a fault, only the command's own end or its timeout is correct. */
const checkUndisturbed = ({ delivery, end, plan }: Observation): ReadonlyArray<string> => {
  if (!isUndisturbed(plan)) return []
  if (delivery !== undefined) {
    const arrives = plan.kind !== "port-forward" || plan.length !== endlessSleep
    return end?.code === 0 && (delivery.amount === "whole" || !arrives)
      ? []
      : [`exit code ${end?.code}, and ${delivery.amount} arrived, although nothing happened`]
  }
  const alwaysEnds = plan.length * 1000 + commandSlack < plan.timeout
  const allowed = [...(plan.length === endlessSleep ? [] : [plan.exitCode]), ...(alwaysEnds ? [] : [124])]
  return allowed.includes(end?.code ?? -1)
    ? []
    : [`exit code ${end?.code}, not ${allowed.join(" or ")}, although nothing happened`]
}

/** The promises that the run broke. */
export const violationsOf = (seen: Observation): ReadonlyArray<Violation> => {
  const of = (check: Violation["check"], details: ReadonlyArray<string>) => details.map((detail) => ({ check, detail }))
  return [
    ...of("at most once", checkOnce(seen)),
    ...of("ended", checkEnded(seen)),
    ...of("nothing left", checkNothingLeft(seen)),
    ...of("proof", checkProof(seen)),
    ...of("clear end", checkClearEnd(seen)),
    ...of("clear end", checkUndisturbed(seen)),
    ...of("engines", seen.crash === undefined ? [] : [seen.crash])
  ]
}
