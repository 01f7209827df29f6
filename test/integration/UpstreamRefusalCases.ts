/** What tests of `docker exec`, `docker compose exec` and `kubectl exec` assert of commands that do not start. */
import { testsOf, type UpstreamCase } from "./UpstreamCase.ts"
import type { TargetName } from "./UpstreamTargets.ts"

const cli = testsOf("moby/moby", "integration-cli/docker_cli_exec_test.go")
const container = testsOf("moby/moby", "integration/container/exec_test.go")
const parse = testsOf("docker/cli", "cli/command/container/exec_test.go")
const kubectl = testsOf("kubernetes/kubernetes", "test/cmd/exec.sh")
const targets = testsOf("kubernetes/kubectl", "pkg/cmd/exec/exec_test.go")

const user = (on: TargetName, name: string, flag: string, says: RegExp): UpstreamCase => ({
  source: container(`TestExecUser (${name})`),
  name,
  on,
  script: `x -u '${flag}' $T id`,
  failure: { code: 126, says }
})

const noUser = (name: string) => new RegExp(`unable to find user ${name}: no matching entries in passwd file`)
const noGroup = (name: string) => new RegExp(`unable to find group ${name}: no matching entries in group file`)

/** Words that name no command, no target, no user. */
export const refusals: ReadonlyArray<UpstreamCase> = [
  {
    source: cli("TestExecPausedContainer"),
    name: "a paused container",
    on: "paused",
    script: "x $T echo hello",
    failure: { code: 125, says: /is paused/ }
  },
  {
    source: cli("TestExecTTYWithoutStdin"),
    name: "a terminal for input that is a pipe",
    script: "echo | x -it $T true",
    failure: { code: 2, says: /not a terminal/ }
  },
  {
    source: cli("TestExecParseError"),
    name: "no command",
    script: "x $T",
    failure: { code: 2, says: /\nSee 'task-exec --help'\.\n$/ }
  },
  {
    source: cli("TestExecStartFails"),
    name: "a command that is not there",
    script: "x $T no-such-cmd",
    failure: { code: 126, says: /command not found in the container/ }
  },
  user("user", "unknown user", "no-such-user", noUser("no-such-user")),
  user("user", "unknown group", "1:no-such-group", noGroup("no-such-group")),
  user("groupless", "user:gid and missing etc/group", "root;0", noUser("root;0")),
  user("groupless", "group and missing etc/group", "0:root", noGroup("root")),
  user("userless", "user and missing etc/passwd", "root", noUser("root")),
  {
    source: parse("TestParseExecErrors (missing env-file)"),
    name: "a file of variables that is not there",
    script: "x --env-file no-such-env-file $T true",
    failure: { code: 2, says: /no-such-env-file.*no such file/ }
  },
  {
    source: parse("TestParseExecErrors (invalid detach keys)"),
    name: "detach keys that are none",
    script: "x -t --detach-keys shift-a $T true",
    failure: { code: 2, says: /detach keys.*shift-a/ }
  },
  {
    source: kubectl("non-existing POD"),
    name: "a name that nothing has",
    script: "x abc date",
    failure: { code: 125, says: /no task matches "abc"/ }
  },
  {
    source: kubectl("invalid resource type"),
    name: "a type that is none",
    script: "x foo/bar date",
    failure: { code: 2, says: /invalid target "foo\/bar"/ }
  },
  {
    source: kubectl("multiple resources"),
    name: "a service with two tasks",
    script: "x $S echo test",
    isOurs: true,
    failure: { code: 125, says: /2 tasks/ }
  },
  {
    source: testsOf("docker/compose", "pkg/e2e/exec_test.go")("TestExec (--index without a replica)"),
    name: "a slot that is not there",
    script: "x $S.9 ps",
    isOurs: true,
    failure: { code: 125, says: /upstream-plain\.9/ }
  },
  {
    source: targets("TestPodAndContainer (empty)"),
    name: "no target",
    script: "x -i",
    failure: { code: 2, says: /\nSee 'task-exec --help'\.\n$/ }
  }
]

/** Ways to name a target. */
export const names: ReadonlyArray<UpstreamCase> = [
  {
    source: targets("TestPodAndContainer (cmd, w/o flags)"),
    name: "the command after --",
    script: "x $T -- echo $PWD",
    isOurs: true,
    fact: { stdout: `${process.cwd()}\n` }
  },
  {
    source: testsOf("kubernetes/kubernetes", "test/e2e/kubectl/kubectl.go")("should support exec using resource/name"),
    name: "service/NAME",
    on: "terminal",
    script: "x service/$S echo running in container",
    isOurs: true,
    fact: { stdout: "running in container\n" }
  },
  {
    source: testsOf("docker/compose", "pkg/e2e/exec_test.go")("TestExec (the service's container)"),
    name: "the service's own task",
    on: "terminal",
    script: "x $S cat /proc/1/comm",
    isOurs: true,
    fact: { stdout: "sleep\n" }
  }
]
