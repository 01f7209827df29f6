/** The commands of the modes that look for crashes. */
import type { Dice } from "../chaos/Dice.ts"
import { type Argv, type LoadStage, pick } from "./LoadStage.ts"

/** The modes. */
export const sceneNames = ["run", "fleet", "copy", "agents", "gc"] as const

/** The modes. */
export type SceneName = (typeof sceneNames)[number]

const run = ({ remote }: LoadStage, dice: Dice, flags: ReadonlyArray<string>): Argv => [
  "task-exec",
  ...flags,
  pick(remote, dice.next),
  "sleep",
  "60"
]

const fleet = ({ web }: LoadStage, _: Dice, flags: ReadonlyArray<string>): Argv => [
  "task-exec",
  ...flags,
  "--all",
  web,
  "sleep",
  "60"
]

/** Without a timeout, which a copy does not have. */
const copy = ({ remote }: LoadStage, dice: Dice): Argv => [
  "task-exec",
  "cp",
  `${pick(remote, dice.next)}:${dice.pick(["/bin", "/etc"])}`,
  "-"
]

/** A command line for each mode. `flags` are for commands with a timeout. */
export const commandOf: Readonly<
  Record<SceneName, (stage: LoadStage, dice: Dice, flags: ReadonlyArray<string>) => Argv>
> = { run, fleet, copy, agents: run, gc: run }

/** The commands that run repeatedly beside the others, and are not ended. */
export const beside: Partial<Readonly<Record<SceneName, ReadonlyArray<Argv>>>> = {
  agents: [
    ["task-exec", "agent", "up"],
    ["task-exec", "agent", "up", "--rotate-key"],
    ["task-exec", "agent", "down"]
  ],
  gc: [
    ["task-exec", "gc"],
    ["task-exec", "gc", "--dry-run"]
  ]
}
