import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./test/LongestFirst.ts"

/**
 * How many files of tests run at the same time, each of those with a real swarm on one of its own. Such a test waits for more than half
 * of its time (20.10): four workers use 1.6 of two cores. With six, two cores spend more than half of their time in the kernel, and an engine
 * may take longer than the 21 s in which a helper must stop.
 */
const workers = process.env.TASK_EXEC_CLUSTER === undefined ? Math.min(availableParallelism() + 2, 4) : 1

export default defineConfig({
  test: {
    reporters: ["default", "./test/SummaryReporter.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        // In the same group as the integration tests: these short files fill the workers that have no long one left.
        test: {
          name: "unit",
          setupFiles: ["test/unit/process/Setup.ts"],
          include: ["test/unit/**/*.test.ts", "example/*.test.ts"],
          // Loading the modules once for each file takes half of the time. `setupFiles` sees to it that no file changes the process for the next.
          isolate: false,
          maxWorkers: workers,
          // Property tests, programs that are started, and the bundles that hooks build take a while on a busy machine.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 }
        }
      },
      {
        test: {
          name: "integration",
          globalSetup: ["test/integration/Setup.ts"],
          setupFiles: ["test/integration/OwnSwarm.ts", "test/watch/Hooks.ts"],
          include: ["integration", "docs", "watch", "chaos"].map((folder) => `test/${folder}/**/*.test.ts`),
          maxWorkers: workers,
          testTimeout: 400_000,
          hookTimeout: 400_000,
          sequence: { groupOrder: 1 }
        }
      },
      {
        // Not beside the others: about swarms that come and go. Its two files mostly wait.
        test: {
          name: "alone",
          setupFiles: ["test/watch/Hooks.ts"],
          include: ["test/cluster/**/*.test.ts"],
          maxWorkers: 2,
          testTimeout: 400_000,
          hookTimeout: 400_000,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
