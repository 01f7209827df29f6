/** Verbs with the flags of `task-exec exec`: each is a table of its operands, its own flags, and the flags of `exec` that it lacks. */
import * as Effect from "effect/Effect"
import { type Flags, flagName, type ReadFlags, readScanned, scanFlags, scanLine } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { UsageError } from "../command/Usage.ts"
import { isWithoutTarget } from "../fleet/FleetArgs.ts"
import { type ExecFlag, execFlags } from "./ExecFlags.ts"
import { type Invocation, invocationOf, type VerbRequest } from "./Invocation.ts"
import { type CommandLine, isTargetName, missing, type OperandName, splitCommand, splitOperands } from "./Operands.ts"
import type { Environment } from "./Variables.ts"
import type { VerbName } from "./VerbNames.ts"

/** A verb. */
export interface ExecVerb {
  readonly name: VerbName
  readonly help: CommandHelp
  readonly flags: Flags
  /** Parses a command line. `environment` has the values of `--env NAME`. */
  readonly parse: (argv: ReadonlyArray<string>, environment: Environment) => Effect.Effect<Invocation, UsageError>
}

/** A verb, described by its differences from `exec`. */
export interface ExecVerbOptions<Own extends Flags> {
  readonly name: VerbName
  readonly help: CommandHelp
  /** Its own flags. */
  readonly flags: Own
  /** The flags of `exec` that it does not have, with the reason. */
  readonly lacks: Partial<Readonly<Record<ExecFlag, string>>>
  /**
   * Its operands, in order. Options end at the operand before COMMAND, so that the command's own options need no `--`. Without COMMAND,
   * options may stand anywhere.
   */
  readonly operands: ReadonlyArray<OperandName>
  /** Flags for many tasks that make a fan-out of a single TARGET. */
  readonly single?: ReadonlyArray<ExecFlag>
  /** Returns the verb's request. */
  readonly requestOf: (line: CommandLine, own: ReadFlags<Own>["values"]) => Effect.Effect<VerbRequest, UsageError>
}

/** Returns the flags of `exec`, without those that a verb lacks, and with its own. */
export const flagsOf = <Own extends Flags>(own: Own, lacks: object): Flags => ({
  ...Object.fromEntries(Object.entries(execFlags).filter(([name]) => !Object.hasOwn(lacks, name))),
  ...own
})

/** Makes a verb. */
export const execVerb = <const Own extends Flags>({
  flags: own,
  help,
  lacks,
  name,
  operands,
  requestOf,
  single
}: ExecVerbOptions<Own>): ExecVerb => {
  const flags = flagsOf(own, lacks)
  return {
    name,
    help,
    flags,
    parse: Effect.fnUntraced(function* (argv, environment) {
      const isCommand = operands.includes("COMMAND")
      const { operands: given, scanned } = isCommand
        ? { operands: [], scanned: scanFlags(argv, flags) }
        : scanLine(argv, flags)
      yield* checkLacking(name, scanned.flags, flags, lacks)
      const isOwn = (flag: string) => Object.hasOwn(own, flagName(flag))
      const common = { ...scanned, flags: scanned.flags.filter((flag) => !isOwn(flag)) }
      const { values } = yield* readScanned(common, execFlags)
      const { values: ownValues } = yield* readScanned({ ...scanned, flags: scanned.flags.filter(isOwn) }, own)
      if (values.help === true) return { _tag: "Help" }
      if (values.version === true || values.v === true) return { _tag: "Version" }
      const names = isWithoutTarget(values) ? operands.filter((operand) => !isTargetName(operand)) : operands
      const { target, words } = isCommand
        ? yield* splitCommand({ verb: name, names, flags, argv, at: scanned.next })
        : splitOperands(names, given)
      const line = {
        verb: name,
        target,
        words,
        tty: values.tty === true,
        list: values.list === true,
        environment,
        values
      }
      return yield* invocationOf(line, requestOf(line, ownValues), missing(names[given.length] ?? "TARGET"), single)
    })
  }
}

/** Fails if a flag is one of `exec` that the verb lacks. */
const checkLacking = (
  verb: string,
  given: ReadonlyArray<string>,
  flags: Flags,
  lacks: Readonly<Record<string, string>>
): Effect.Effect<void, UsageError> => {
  for (const flag of given) {
    const { flags: meant } = scanFlags([flag], execFlags)
    const name = flagName(meant[0] ?? "")
    if (Object.hasOwn(flags, flagName(flag)) || !Object.hasOwn(lacks, name)) continue
    return Effect.fail(new UsageError({ detail: `--${name} does not work with ${verb}: ${lacks[name]}` }))
  }
  return Effect.void
}

const noCommand = "it runs no command"

/** The flags of `exec` that a verb without a command lacks, with the reason. */
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
