/**
 * `task-exec/testing`: a `TaskExec` for tests of code that uses it, without a swarm.
 *
 * Start with {@link layerTest}.
 */
export { Calls, layerTest, type RecordedCall, type TestOptions } from "./testing/LayerTest.ts"
export { type Answer, type Call, type Reply, reply, type Script, type ScriptEvent } from "./testing/Script.ts"
export type { TestTask } from "./testing/TestSwarm.ts"
