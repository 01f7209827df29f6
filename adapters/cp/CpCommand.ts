/** `task-exec cp`: `docker cp` for the tasks of a swarm, on any node. */
import { join } from "node:path"
import { isatty } from "node:tty"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { copyFrom, copyTo, extractTo } from "../../src/copy/Copy.ts"
import { planCopy } from "../../src/copy/CopyRules.ts"
import { openTaskFiles } from "../../src/copy/TaskFiles.ts"
import { fromReadable } from "../../src/engine/fromReadable.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { audited } from "../audit/Auditing.ts"
import { Channel } from "../command/Channel.ts"
import { localFailed } from "../command/LocalFailed.ts"
import { readLine, reportFailure } from "../command/Subcommand.ts"
import { withEngine } from "../command/withEngine.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"
import { stderrScreen, writeAll } from "../Output.ts"
import { type Copy, cpFlags, cpHelp, parseCp } from "./CpArgs.ts"
import { findDestination, findSource } from "./LocalPath.ts"
import { pack, sizeOf } from "./Pack.ts"
import { makeProgress, noProgress, type Progress } from "./Progress.ts"
import { unpack } from "./Unpack.ts"

const stdout = 1
const stderr = 2

/** Runs one command line and returns its exit code. */
export const cpCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const line = { program, name: "cp", help: cpHelp, flags: cpFlags, argv }
  return readLine(line).pipe(
    Effect.flatMap((read) =>
      read === undefined ? Effect.succeed(0) : Effect.flatMap(parseCp(read), (copy) => run(`${program} cp`, copy))
    ),
    Effect.catch((error) => reportFailure(line, error, new Channel(stderr)))
  )
}

const run = (program: string, copy: Copy) =>
  (copy.direction === "from" ? fromTask(copy) : toTask(copy)).pipe(
    Effect.scoped,
    Effect.as(0),
    audited(),
    Effect.provide(HelperImage.layer),
    Effect.provide(Swarm.layer),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.provide(stderrLogger(lineOf(program, "text"), copy.debug ? "Debug" : copy.quiet ? "None" : "Warn")),
    withEngine(copy.engine)
  )

/** Copies from a task. Checks the local destination before it starts a helper. */
const fromTask = Effect.fn("cp.from")(function* (copy: Copy) {
  const destination = copy.local === "-" ? undefined : yield* findDestination(copy.local)
  const files = yield* open(copy)
  const source = yield* copyFrom(files, copy.path, { followLink: copy.followLink })
  const progress = yield* progressOf(
    copy,
    `Copying from ${files.task.name}`,
    source.isDirectory ? undefined : source.stat.size
  )
  if (destination === undefined) {
    return yield* Stream.runForEach(source.archive, (chunk) => writeAll(stdout, chunk))
  }
  const plan = yield* orFail(planCopy(source, destination))
  yield* unpack(progress.watch(source.archive), {
    top: source.archived,
    root: plan.name === "." ? plan.directory : join(plan.directory, plan.name),
    keepRoot: plan.name === ".",
    owners: copy.archive && process.getuid?.() === 0
  })
  yield* progress.done(destination.path)
})

const toTask = Effect.fn("cp.to")(function* (copy: Copy) {
  const options = { copyUIDGID: copy.archive }
  if (copy.local === "-") {
    const files = yield* open(copy)
    const progress = yield* progressOf(copy, `Copying to ${files.task.name}`, undefined)
    const content = yield* fromReadable(process.stdin, (error) => localFailed("stdin", error), { borrowed: true })
    yield* extractTo(files, copy.path, progress.watch(content), options)
    return yield* progress.done(`${files.task.name}:${copy.path}`)
  }
  const source = yield* findSource(copy.local, copy.followLink)
  const files = yield* open(copy)
  const progress = yield* progressOf(copy, `Copying to ${files.task.name}`, yield* sizeOf(source))
  const archive = (name: string) => progress.watch(pack(source, name))
  yield* copyTo(files, copy.path, { ...source, archive }, options)
  yield* progress.done(`${files.task.name}:${copy.path}`)
})

const open = (copy: Copy) =>
  Effect.tap(openTaskFiles(copy.files), ({ route, task }) =>
    Effect.logDebug(`task ${task.name} (${task.id}) on node ${task.node.hostname}, route ${route}`)
  )

const orFail = <A, E>(result: Result.Result<A, E>): Effect.Effect<A, E> =>
  Result.match(result, { onFailure: (error) => Effect.fail(error), onSuccess: (value) => Effect.succeed(value) })

/** Shows progress only on a terminal, and not when the archive goes to stdout. */
const progressOf = (
  copy: Copy,
  title: string,
  total: number | undefined
): Effect.Effect<Progress, never, Scope.Scope> =>
  copy.quiet || !isatty(stderr) || (copy.direction === "from" && copy.local === "-")
    ? Effect.succeed(noProgress)
    : makeProgress(stderrScreen, title, total)
