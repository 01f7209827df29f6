import { assert, describe, it } from "@effect/vitest"
import type { Task } from "../../../src/engine/SwarmSchemas.ts"
import { mayHaveRun } from "../../../src/helper/HelperEnd.ts"
import { taskOn } from "../engine/Tasks.ts"

const status = (State: string, ContainerID?: string): Task["Status"] => ({
  ...taskOn("n", "t", State).Status,
  ...(ContainerID === undefined ? {} : { ContainerStatus: { ContainerID, PID: 0, ExitCode: 0 } })
})

describe("whether a task ran", () => {
  it("did not, if Swarm deleted it before its container was started", () => {
    assert.isFalse(mayHaveRun([]))
    assert.isFalse(mayHaveRun([status("pending")]))
    assert.isFalse(mayHaveRun([status("assigned"), status("preparing"), status("ready")]))
    assert.isFalse(mayHaveRun([status("preparing"), status("rejected")]))
    assert.isFalse(mayHaveRun([status("preparing"), status("shutdown")]))
    assert.isFalse(mayHaveRun([status("preparing"), status("shutdown", "")]))
  })

  it("may have, if any check saw a started container or an unknown state", () => {
    for (const state of ["starting", "running", "complete", "failed", "orphaned", "remove", "dreaming"]) {
      assert.isTrue(mayHaveRun([status("preparing"), status(state)]), state)
    }
    assert.isTrue(mayHaveRun([status("running"), status("shutdown")]))
    assert.isTrue(mayHaveRun([status("shutdown", "c")]))
  })
})
