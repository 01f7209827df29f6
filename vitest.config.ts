import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

/** How many files of tests run at once, each on a swarm of its own. Tests wait: two of them leave a third of two cores idle. */
const swarms = process.env.TASK_EXEC_CLUSTER === undefined ? Math.min(availableParallelism() + 1, 4) : 1

export default defineConfig({
  test: {
    reporters: ["default", "./test/SummaryReporter.ts"],
    projects: [
      // Property tests, and the bundles that hooks build, take a while on a busy machine.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 60_000 } },
      {
        test: {
          name: "integration",
          globalSetup: ["test/integration/Setup.ts"],
          setupFiles: ["test/integration/OwnSwarm.ts", "test/watch/Hooks.ts"],
          include: ["test/integration/**/*.test.ts", "test/docs/**/*.test.ts", "test/watch/**/*.test.ts"],
          maxWorkers: swarms,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 }
        }
      },
      {
        // Not beside others: about swarms that come and go, and about what happens in time.
        test: {
          name: "alone",
          setupFiles: ["test/watch/Hooks.ts"],
          include: ["test/cluster/**/*.test.ts", "test/chaos/**/*.test.ts"],
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
