/** The flags of `exec` that verbs without a command lack, with the reason. */

const noCommand = "it runs no command"

/** The flags about a command and its terminal. */
export const withoutCommand = {
  env: noCommand,
  "env-file": noCommand,
  user: noCommand,
  workdir: noCommand,
  privileged: noCommand,
  interactive: noCommand,
  tty: noCommand,
  "detach-keys": noCommand,
  detach: noCommand,
  signal: noCommand,
  grace: noCommand,
  record: noCommand
}
