/** What tests of `docker logs`, `docker service logs`, `kubectl logs` and `docker compose run` assert. */
import { testsOf, type UpstreamCase } from "./UpstreamCase.ts"

const cli = testsOf("moby/moby", "integration-cli/docker_cli_logs_test.go")
const container = testsOf("moby/moby", "integration/container/logs_test.go")
const service = testsOf("moby/moby", "integration-cli/docker_cli_service_logs_test.go")
const kubectl = testsOf("kubernetes/kubernetes", "test/e2e/kubectl/logs.go")
const run = testsOf("docker/compose", "pkg/e2e/compose_run_test.go")

const ours = (one: Omit<UpstreamCase, "isOurs">): UpstreamCase => ({ ...one, isOurs: true })

/** Logs: complete, apart, from a time on. */
export const logs: ReadonlyArray<UpstreamCase> = [
  {
    source: cli(
      "TestLogsContainerSmallerThanPage, TestLogsContainerBiggerThanPage, TestLogsContainerMuchBiggerThanPage"
    ),
    name: "lines of 32,767, 32,768 and 33,000 characters",
    on: "printer",
    script: "l $T | awk 'length > 1000 { print length }'",
    fact: { stdout: "32767\n32768\n33000\n" }
  },
  {
    source: cli("TestLogsTimestamps"),
    name: "-t prints times of nine decimals",
    on: "printer",
    script: "l -t $T 2>&1 | grep -c '^....-..-..T..:..:..\\..........Z '",
    fact: { stdout: "107\n" }
  },
  {
    source: cli("TestLogsSeparateStderr"),
    name: "stderr is stderr",
    on: "printer",
    script: "l $T > $D/out",
    fact: { stdout: "", stderr: "stderr_log\n" }
  },
  {
    source: cli("TestLogsStderrInStdout"),
    name: "a container with a terminal has one stream",
    on: "terminal",
    script: "l $T",
    fact: { stdout: "out\r\nerr\r\n", stderr: "" }
  },
  {
    source: cli("TestLogsTail"),
    name: "the last 0, 5 and all lines",
    on: "printer",
    script: "for n in 0 5 all; do l --tail $n $T 2>&1 | wc -l; done",
    fact: { stdout: "0\n5\n107\n" }
  },
  {
    source: cli("TestLogsTail (-1)"),
    name: "--tail -1 is all lines",
    on: "printer",
    script: "l --tail -1 $T 2>&1 | wc -l",
    fact: { stdout: "107\n" }
  },
  {
    source: cli("TestLogsFollowStopped"),
    name: "-f ends with a container that has ended",
    on: "ended",
    script: "l -f $T",
    fact: { stdout: "this is fine", stderr: "accidents happen" }
  },
  {
    source: cli("TestLogsSince"),
    name: "--since and --until a time of the log",
    on: "printer",
    script: `at=$(docker -H $N logs -t $C 2>&1 | grep log2 | cut -d ' ' -f 1); l --since $at $T | head -n 1; l --until $at $T | tail -n 2`,
    fact: { stdout: "log2\nlog1\nlog2\n" }
  },
  {
    source: cli("TestLogsFollowSlowStdoutConsumer"),
    name: "a slow reader gets all of the log",
    on: "printer",
    script: "l $T 2> $D/err | { sleep 1; wc -c; }",
    fact: { stdout: "98756\n" }
  },
  {
    source: container("TestLogsFollowTailEmpty"),
    name: "--tail of an empty log",
    on: "user",
    script: "l --tail 2 $T",
    fact: { stdout: "", stderr: "" }
  },
  {
    source: service("TestServiceLogsTaskLogs"),
    name: "the log of a task that its ID names",
    on: "printer",
    script: "l $ID 2> $D/err | tail -n 1",
    fact: { stdout: "printed\n" }
  },
  {
    source: kubectl("should be able to retrieve and filter logs"),
    name: "--since 24h has more than --since 1s",
    on: "printer",
    script: "l --since 24h $T 2> $D/err | wc -l",
    fact: { stdout: "106\n" }
  },
  {
    source: cli("TestLogsSince (bad format)"),
    name: "a time that is none",
    on: "printer",
    script: "l --since 2006-01-02T15:04:0Z $T",
    failure: { code: 2, says: /2006-01-02T15:04:0Z/ }
  },
  {
    source: cli("TestLogsCLIContainerNotFound"),
    name: "a name that nothing has",
    script: "l testlogsnocontainer",
    failure: { code: 125, says: /no task matches "testlogsnocontainer"/ }
  }
]

/** One-off tasks. */
export const runs: ReadonlyArray<UpstreamCase> = [
  ours({
    source: run("TestComposeRun (--env, --env-from-file)"),
    name: "variables of the command line and of a file",
    script: "echo FILE=yes > $D/env; r -e FOO=BAR --env-file $D/env --entrypoint sh $S -c 'echo $FOO $FILE'",
    fact: { stdout: "BAR yes\n" }
  }),
  ours({
    source: run("TestComposeRunPipedInput (--tty)"),
    name: "a terminal for input from a pipe is refused",
    script: "echo test | r -it --entrypoint cat $S",
    failure: { code: 2, says: /not a terminal/ }
  }),
  ours({
    source: testsOf("docker/cli", "e2e/container/run_test.go")("TestRunInvalidEntrypointWithAutoremove"),
    name: "a command that is not there is refused, and its task is removed",
    script: "r --entrypoint invalidcommand $S",
    failure: { code: 126, says: /command not found in the container/ }
  })
]
