/** Logs what an agent does for its requests. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { AgentRequest } from "../../src/agent/AgentRequest.ts"
import { describeSpec } from "../../src/audit/Audit.ts"
import { refuse } from "../../src/protocol/Admission.ts"
import type { Frames, Watch } from "../../src/protocol/ServeRequest.ts"
import type { LoggedRequest, RequestLog, RequestOutcome } from "./RequestLog.ts"

const cannotLog = ({ message }: { readonly message: string }) => refuse(message)

/** Logs the start and the end of each command, copy and kill. */
export const watched = (log: RequestLog, { owner, who }: AgentRequest): Watch => {
  const begin = (request: LoggedRequest) => Effect.mapError(log.begin({ ...request, who }), cannotLog)
  const note = (what: LoggedRequest) => Effect.mapError(log.note(what), cannotLog)
  const whole = (request: LoggedRequest, frames: Frames): Frames =>
    Stream.unwrap(
      Effect.gen(function* () {
        const ended = yield* begin(request)
        let known: RequestOutcome | undefined
        let isLogged = false
        const end = (outcome: RequestOutcome) =>
          Effect.suspend(() => {
            if (isLogged) return Effect.void
            isLogged = true
            return ended(outcome)
          })
        // This finalizer runs after those that kill the command, which are added later.
        yield* Effect.addFinalizer(() => end(known ?? { interrupted: true }))
        return frames.pipe(
          Stream.tap((frame) => {
            switch (frame._tag) {
              case "Exited":
                return end({ exitCode: frame.code })
              // Logged before the caller receives it: the next agent must not kill the command.
              case "Detached":
                return end({ detached: true })
              case "Ended":
                return end({ reported: true })
              default:
                return Effect.void
            }
          }),
          Stream.tapError((error) =>
            Effect.sync(() => {
              known = { error: error._tag }
            })
          )
        )
      })
    )
  return {
    run: (spec, frames) => whole({ ...describeSpec(spec), container: spec.container }, frames),
    end: (runs, frames) =>
      whole(
        { action: "end", run: owner.runId, runs: runs.map(({ container, runId }) => ({ run: runId, container })) },
        frames
      ),
    files: (container, files) => {
      const about = (way: "stat" | "read" | "write", path: string): LoggedRequest => ({
        action: "copy",
        run: owner.runId,
        container,
        way,
        path,
        who
      })
      return {
        statPath: (path) => Effect.andThen(note(about("stat", path)), files.statPath(path)),
        getArchive: (path) => Effect.andThen(note(about("read", path)), files.getArchive(path)),
        putArchive: (path, content, options) =>
          Effect.gen(function* () {
            const ended = yield* begin(about("write", path))
            yield* files
              .putArchive(path, content, options)
              .pipe(
                Effect.onExit((exit) => ended(exit._tag === "Success" ? { copied: true } : { error: "CopyFailed" }))
              )
          })
      }
    }
  }
}
