/** The toolbox of `task-exec debug`, as its command line and the environment choose it. */
import * as Effect from "effect/Effect"
import type { ToolboxRequest } from "../../src/request/ExecRequest.ts"
import { UsageError } from "../command/Usage.ts"

/** The image of toolboxes without a choice: small, and it has a shell, `ps`, `ip`, `nslookup`, `wget` and `vi`. */
export const defaultToolbox = "busybox:1"

/** Names the image of a toolbox. */
export const toolboxVariable = "TASK_EXEC_DEBUG_IMAGE"

interface DebugValues {
  readonly image?: string | undefined
  readonly detach?: boolean | undefined
  readonly "detach-keys"?: string | undefined
}

/** Returns the toolbox. Fails where an option needs a command that outlives its caller. */
export const toolboxIn = (
  values: DebugValues,
  environment: Readonly<Record<string, string | undefined>>
): Effect.Effect<ToolboxRequest, UsageError> => {
  for (const flag of ["detach", "detach-keys"] as const) {
    if (values[flag] === undefined) continue
    return Effect.fail(
      new UsageError({ detail: `--${flag} does not work with debug: the toolbox is removed when task-exec ends` })
    )
  }
  return Effect.succeed({ image: values.image ?? (environment[toolboxVariable] || defaultToolbox) })
}

/** The prompt of a shell in a toolbox: it names the target, so that the shell is not taken for one in the task's own container. */
export const promptFor = (target: string): string => `debug ${target.replace(/[^\w./@-]/g, "?")}:\\w\\$ `
