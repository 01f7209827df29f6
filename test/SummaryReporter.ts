/** A reporter of vitest that prints the totals. */
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node"

/** Ends the run's output with one plain line, `N passed, N failed`, that any CI can read. */
export default class SummaryReporter implements Reporter {
  private passed = 0
  private failed = 0
  private skipped = 0

  onTestCaseResult(test: TestCase): void {
    const { state } = test.result()
    if (state === "passed") this.passed++
    else if (state === "failed") this.failed++
    else this.skipped++
  }

  onTestSuiteResult(suite: TestSuite): void {
    // Errors in the setup or teardown of several tests.
    this.failed += suite.errors().length
  }

  onTestModuleEnd(module: TestModule): void {
    // A file that cannot be loaded, or whose setup fails, has no test that reports it.
    this.failed += module.errors().length
  }

  onTestRunEnd(_modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const skipped = this.skipped === 0 ? "" : `, ${this.skipped} skipped`
    process.stdout.write(`\n${this.passed} passed, ${this.failed + errors.length} failed${skipped}\n`)
  }
}
