/** The work of each kind. */
import { command, fanOut, oneOff, terminal } from "./CommandWork.ts"
import type { Kind } from "./Plan.ts"
import { copy, portForward } from "./TransferWork.ts"
import type { MakeWork } from "./Work.ts"

/** The work of each kind. */
export const works: Readonly<Record<Kind, MakeWork>> = {
  command,
  terminal,
  "fan-out": fanOut,
  "one-off": oneOff,
  "copy-in": copy("in"),
  "copy-out": copy("out"),
  "port-forward": portForward
}
