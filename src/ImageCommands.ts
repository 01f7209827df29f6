/** The subcommands of the helper's image. Users do not type them. */
export const imageCommands = {
  /** Serves the request in its secret: a command, several, or files to copy. */
  helper: "helper",
  /** Passes bytes between its caller and a helper. */
  relay: "relay",
  /** Waits on a run's network for the one caller of a helper, and passes bytes between the two. */
  listener: "listener",
  /** Connects to ports in a task's network for its caller: `port-forward PORT…`. */
  forward: "port-forward",
  /** Serves callers until it is told to end: an agent. */
  agent: "agent-serve",
  /** Ends a run: `kill REQUEST`. */
  kill: "kill",
  /** Watches over runs: `--guard REQUEST`. Our programs understand it, too. */
  guard: "--guard",
  /** Removes what belongs to runs: `--remove-runs ID…`. Only our programs understand it. */
  removeRuns: "--remove-runs",
  /** Sweeps the node that it is on. */
  sweepNode: "sweep-node"
} as const
