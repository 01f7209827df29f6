/** The terminal recordings on the pages. */

/** Keys to press, and the terminal's text when the command is done. */
export interface Step {
  readonly keys: string
  readonly until: RegExp
}

/** A session at a terminal. */
export interface Recording {
  /** Name of the file in `docs/img`, without its extension. */
  readonly name: string
  /** Alternative text of the picture. */
  readonly title: string
  /** Size of the terminal. */
  readonly rows: number
  readonly steps: ReadonlyArray<Step>
  /** The content of the last frame: each pattern matches one line. */
  readonly shows: ReadonlyArray<RegExp>
}

/** The node whose shell runs the commands: a manager. */
export const callerNode = "node-1"

/** The service of the commands: three tasks on three nodes. Its containers are `web-1`, `web-2`, `web-3`. */
export const service = "web"

/** A prompt with user, host name and folder in two colors, as in Debian. */
const prompt = (userColor: number, folderColor: number) =>
  `\\[\\e[1;${userColor}m\\]\\u@\\h\\[\\e[0m\\]:\\[\\e[1;${folderColor}m\\]\\w\\[\\e[0m\\]\\$ `

/** `PS1` of the caller's shell: green and blue. */
export const callerPrompt = prompt(32, 34)

/** `PS1` in the containers: yellow and cyan. */
export const containerPrompt = prompt(33, 36)

/** A prompt of this host at the end of the output. */
const promptOf = (host: string) => new RegExp(`root@${host}\\S* $`)

const atCaller = promptOf(callerNode)
const inContainer = promptOf(`${service}-2`)

export const recordings: ReadonlyArray<Recording> = [
  {
    name: "shell",
    title: "A command and a shell in a task on another node",
    rows: 14,
    steps: [
      { keys: "task-exec ls web", until: atCaller },
      { keys: 'task-exec web.2 ls /missing; echo "exit code $?"', until: atCaller },
      { keys: "task-exec -it web.2", until: inContainer },
      { keys: "hostname", until: inContainer },
      { keys: "exit", until: atCaller }
    ],
    shows: [
      /^root@node-1:~# task-exec web\.2 ls \/missing; echo "exit code \$\?"$/,
      /^exit code [12]$/,
      /^root@node-1:~# task-exec -it web\.2$/,
      /^root@web-2:\/# hostname$/,
      /^web-2$/,
      /^root@web-2:\/# exit$/,
      /^root@node-1:~#$/
    ]
  },
  {
    name: "fan-out",
    title: "A command in all tasks of a service",
    rows: 12,
    steps: [
      { keys: "task-exec --all web hostname", until: atCaller },
      { keys: "task-exec --all -b web cat /etc/release", until: atCaller }
    ],
    shows: [
      /^root@node-1:~# task-exec --all web hostname$/,
      /^web\.2@node-\d.*web-2$/,
      /^root@node-1:~# task-exec --all -b web cat \/etc\/release$/,
      /^---- web\.\[1,3\] .*$/,
      /^release 6$/,
      /^release 7$/
    ]
  }
]
