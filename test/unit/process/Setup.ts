/** Fails a unit test file that leaves the process in another state than it found. */
import { afterAll, assert } from "@effect/vitest"
import { changedParts, processState } from "./ProcessState.ts"

const before = processState()

// Registered before the hooks of the file, so it runs after them.
afterAll(() => assert.deepStrictEqual(changedParts(before, processState()), []))
