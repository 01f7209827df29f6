/** Runs fan-outs with the library. Returns each task's output and result. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type FleetEvent, type FleetRequest, TaskExec } from "../../src/index.ts"

/** Runs a script in many tasks. Returns each task's output and result, by name. */
export const runIn = Effect.fnUntraced(function* <R = never>(
  request: Omit<FleetRequest, "command">,
  script: string,
  each: (event: FleetEvent) => Effect.Effect<unknown, never, R> = () => Effect.void
) {
  const outputs = new Map<string, { stdout: string; hash: ReturnType<typeof createHash>; result: string }>()
  const failures = new Set<string>()
  const events = TaskExec.runAll({ ...request, command: ["sh", "-c", script] })
  yield* Stream.runForEach(events, (event) => {
    if ("task" in event) {
      const known = outputs.get(event.task.name)
      const output = known ?? { stdout: "", hash: createHash("sha256"), result: "" }
      outputs.set(event.task.name, output)
      if (event._tag === "Stdout") {
        output.hash.update(event.data)
        if (output.stdout.length < 1000) output.stdout += Buffer.from(event.data).toString("latin1")
      }
      if (event._tag === "Stderr") output.stdout += Buffer.from(event.data).toString()
      if (event._tag === "Ended") {
        const { result } = event
        output.result =
          result._tag === "Exited" ? String(result.code) : result._tag === "Failed" ? result.error._tag : result._tag
        if (result._tag === "Failed") failures.add(result.error.message)
      }
    }
    return each(event)
  })
  // A failing assertion would show only the tags.
  if (failures.size > 0) yield* Effect.logInfo([...failures].join("; "))
  return outputs
})

export const resultsOf = (outputs: ReadonlyMap<string, { readonly result: string }>) =>
  Object.fromEntries([...outputs].map(([name, { result }]) => [name, result]))

export const expected = (names: Iterable<string>, result: string) =>
  Object.fromEntries([...names].map((name) => [name, result]))
