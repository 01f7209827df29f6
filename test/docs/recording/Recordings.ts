/** What is recorded for the pages. */
import { commandsOf } from "../Console.ts"
import { blocksOf } from "../Pages.ts"

/** Keys that are pressed, and what the terminal shows when they have done their work. */
export interface Step {
  readonly keys: string
  readonly until: RegExp
}

/** A session at a terminal. */
export interface Recording {
  /** Of the file, in `docs/img`. */
  readonly name: string
  /** The page that shows it. */
  readonly page: string
  /** For those who do not see it. */
  readonly title: string
  /** The service that it is about: three tasks on three nodes. */
  readonly service: string
  readonly rows: number
  readonly steps: ReadonlyArray<Step>
}

/** The prompt of the shell that everything is typed into. */
export const prompt = "$ "
const atPrompt = /\$ $/
/** busybox asks where the cursor is. */
const inContainer = /# (?:\u001b\[6n)?$/

/** All commands of the page that say what they write. */
const shownIn = (page: string): ReadonlyArray<Step> =>
  blocksOf(page)
    .filter(({ language, remark }) => language === "console" && remark === undefined)
    .flatMap(({ text }) => commandsOf(text))
    .map(({ command }) => ({ keys: command, until: atPrompt }))

export const recordings: ReadonlyArray<Recording> = [
  {
    name: "tutorial",
    page: "docs/tutorial.md",
    title: "The commands of this page, at a terminal",
    service: "hello",
    rows: 24,
    steps: shownIn("docs/tutorial.md")
  },
  {
    name: "shell",
    page: "docs/shells.md",
    title: "A shell in a task on another node",
    service: "web",
    rows: 14,
    steps: [
      { keys: "task-exec -it web.2", until: inContainer },
      { keys: "hostname; tty", until: inContainer },
      { keys: "ps", until: inContainer },
      { keys: "exit", until: atPrompt }
    ]
  },
  {
    name: "fan-out",
    page: "docs/fan-out.md",
    title: "A command in all tasks of a service",
    service: "web",
    rows: 18,
    steps: shownIn("docs/fan-out.md")
  }
]
