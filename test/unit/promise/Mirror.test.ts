import { assert, it } from "@effect/vitest"
import { connect, type Swarm } from "../../../src/promise.ts"
import type { TaskExec } from "../../../src/TaskExec.ts"

/** The function of a promise swarm for each function of the service, or the reason why there is none. A missing entry does not compile. */
const mirrored = {
  run: "run",
  stream: "stream",
  runAll: "runAll",
  forward: "forward",
  open: { without: "a session is Sinks, Streams and a Scope" }
} satisfies Readonly<Record<keyof TaskExec["Service"], keyof Swarm | { readonly without: string }>>

/** Functions of the class that `stream`, `run` and `runAll` of the service implement. */
const derived = ["logs", "logsAll", "signal", "signalAll"] as const satisfies ReadonlyArray<
  keyof typeof TaskExec & keyof Swarm
>

it("task-exec/promise has every function of the service, except for those that need Effect", async () => {
  const swarm = await connect({ host: "tcp://127.0.0.1:1" })
  try {
    const names = Object.values(mirrored).filter((name) => typeof name === "string")
    assert.sameMembers(Object.keys(swarm), [...names, ...derived, "close"])
    assert.isAbove(names.length, 2)
  } finally {
    await swarm.close()
  }
})
