/** The names of the verbs of `task-exec`. A service with such a name is `service/NAME`. */

/** Each verb with its description, in the order of help. */
export const verbs = [
  ["exec", "Run a command in a task (the default)"],
  ["debug", "Run a command in a toolbox beside a container without a shell"],
  ["run", "Run a command in a new task of a service"],
  ["logs", "Print the logs of tasks, also of ones that have ended"],
  ["signal", "Send a signal to the main processes of tasks"],
  ["cp", "Copy files between a task and the local machine"],
  ["port-forward", "Forward local ports to a task"],
  ["ls", "List tasks with their nodes and states"],
  ["wait", "Wait until services have converged"],
  ["doctor", "Check whether task-exec works on this swarm"],
  ["agent", "Deploy, list or remove resident agents"],
  ["gc", "Remove services, secrets and containers left by killed runs"],
  ["completion", "Print a completion script for bash, zsh or fish"],
  ["install-plugin", "Install the docker CLI plugin (docker taskexec)"],
  ["help", "Print the help of a verb"],
  ["version", "Print the version"]
] as const

/** A verb. */
export type VerbName = (typeof verbs)[number][0]

/** The names of all verbs. */
export const verbNames: ReadonlyArray<VerbName> = verbs.map(([name]) => name)

/** Whether a word of a command line is a verb. */
export const isVerb = (word: string | undefined): word is VerbName => verbNames.some((name) => name === word)
