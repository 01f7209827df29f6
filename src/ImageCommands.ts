/** The subcommands of the helper's image. Users do not type them. */
export const imageCommands = {
  /** Serves the request in its secret: runs commands, kills commands, or copies files. */
  helper: "helper",
  /** Forwards bytes between its caller and a helper's listener. */
  relay: "relay",
  /** Waits for one relay on the tunnel's network, and forwards bytes between the relay and a helper. */
  listener: "listener",
  /** Connects to ports in a task's network for its caller: `port-forward PORT…`. */
  forward: "port-forward",
  /** Serves callers as an agent, until it is stopped. */
  agent: "agent-serve",
  /** Kills the processes of a run: `kill REQUEST`. */
  kill: "kill",
  /** Guards runs: `--guard REQUEST`. The programs `task-exec` and `swarm-exec` have this subcommand, too. */
  guard: "--guard",
  /** Removes the objects of runs: `--remove-runs ID…`. Only the programs `task-exec` and `swarm-exec` have this subcommand. */
  removeRuns: "--remove-runs",
  /** Removes leftovers on its own node. */
  sweepNode: "sweep-node"
} as const
