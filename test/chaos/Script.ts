/** What a run executes and sends: the command's script, its output, and the content of copies and connections. */
import { createHash } from "node:crypto"
import type { Plan } from "./Plan.ts"

/** Folder in a volume of each node to which commands record that they ran. */
export const recordFolder = "/chaos"

/** The line that a command's output repeats. */
const line = ({ number, seed }: Plan) => `run ${number} of seed ${seed}, and some more text to have a longer line`

/** What the command on a terminal shows before it reads a line. */
export const prompt = "type: "

/** The line that its user types. */
export const typed = (plan: Plan): string => `${line(plan)}: äöü €`

/** The exit code of a command that reads another line. No plan has it. */
const wrongLine = 250

/** Shell words around the output of a command on a terminal, where typed keys would be part of the output. */
const dialogue = (plan: Plan) => ({
  start: "stty -echo",
  ask: `printf '${prompt}'; read -r typed; [ "$typed" = '${typed(plan)}' ] || exit ${wrongLine}`
})

/** The shell script of the command. It records its start and its end in the file `record`. */
export const scriptOf = (plan: Plan, record: string): string => {
  const write = (bytes: number) => (bytes === 0 ? "" : `yes '${line(plan)}' | head -c ${bytes}`)
  const child = `until grep -q end ${record}; do sleep 0.3; done`
  const { ask, start } = plan.kind === "terminal" ? dialogue(plan) : { ask: "", start: "" }
  return [
    `echo 'start ${plan.number}' >> ${record}`,
    plan.ignoresTerm ? "trap '' TERM" : "",
    plan.setsid ? `{ setsid sh -c '${child}' </dev/null >/dev/null 2>&1 & }` : "",
    start,
    write(plan.output[0]),
    ask,
    `sleep ${plan.length}`,
    write(plan.output[1]),
    `echo 'end ${plan.number}' >> ${record}`,
    `exit ${plan.exitCode}`
  ]
    .filter((part) => part !== "")
    .join("; ")
}

/** The whole output of the command, without a fault. A terminal writes a carriage return before each new line. */
export const outputOf = (plan: Plan): Buffer => {
  const [before, after] = plan.output.map((bytes) => Buffer.alloc(bytes, `${line(plan)}\n`).toString())
  return Buffer.from(
    plan.kind === "terminal" ? `${before}${prompt}${after}`.replaceAll("\n", "\r\n") : `${before}${after}`
  )
}

/** The content of the file that is copied, or what the client of a forwarded port sends. */
export const contentOf = (plan: Plan): Buffer => Buffer.alloc(plan.size, `${line(plan)}\n`)

/** How much of the expected bytes arrived. */
export type Amount = "nothing" | "part" | "whole" | "other bytes"

/** Compares the bytes that arrived, if any, with those expected. Bytes arrive in their order. */
export const amountOf = (found: Buffer | undefined, expected: Buffer): Amount => {
  if (found === undefined) return "nothing"
  if (found.equals(expected)) return "whole"
  return found.equals(expected.subarray(0, found.length)) ? "part" : "other bytes"
}

/** The first characters of the SHA-256. */
export const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 16)
