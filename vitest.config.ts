import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./test/LongestFirst.ts"

/** How many files of tests run at once, each on a swarm of its own. Tests wait: two of them leave a third of two cores idle. */
const swarms = process.env.TASK_EXEC_CLUSTER === undefined ? Math.min(availableParallelism() + 1, 4) : 1

export default defineConfig({
  test: {
    reporters: ["default", "./test/SummaryReporter.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      // Property tests, and the bundles that hooks build, take a while on a busy machine.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 60_000 } },
      {
        test: {
          name: "integration",
          globalSetup: ["test/integration/Setup.ts"],
          setupFiles: ["test/integration/OwnSwarm.ts", "test/watch/Hooks.ts"],
          include: ["integration", "docs", "watch", "chaos"].map((folder) => `test/${folder}/**/*.test.ts`),
          maxWorkers: swarms,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 }
        }
      },
      {
        // Not beside others: about swarms that come and go.
        test: {
          name: "alone",
          setupFiles: ["test/watch/Hooks.ts"],
          include: ["test/cluster/**/*.test.ts"],
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
