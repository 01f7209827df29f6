/** What tests of `docker exec`, `docker compose exec` and `kubectl exec` assert of commands that start. */
import { testsOf, type UpstreamCase } from "./UpstreamCase.ts"
import type { TargetName } from "./UpstreamTargets.ts"

const cli = testsOf("moby/moby", "integration-cli/docker_cli_exec_test.go")
const unix = testsOf("moby/moby", "integration-cli/docker_cli_exec_unix_test.go")
const api = testsOf("moby/moby", "integration-cli/docker_api_exec_test.go")
const container = testsOf("moby/moby", "integration/container/exec_test.go")
const linux = testsOf("moby/moby", "integration/container/exec_linux_test.go")
const parse = testsOf("docker/cli", "cli/command/container/exec_test.go")
const composeExec = testsOf("docker/compose", "pkg/e2e/compose_exec_test.go")
const kubectl = testsOf("kubernetes/kubernetes", "test/e2e/kubectl/kubectl.go")

/** Waits until the engine lists an exec of the container, or none. */
const ids = `ids() { docker -H $N inspect -f '{{.ExecIDs}}' $C; }
none() { for n in $(seq 100); do [ "$(ids)" = '[]' ] && return; sleep 0.1; done; }
some() { for n in $(seq 100); do [ "$(ids)" != '[]' ] && return; sleep 0.1; done; }`

/** Input, output and exit codes. What takes longest stands first. */
export const streams: ReadonlyArray<UpstreamCase> = [
  {
    source: cli("TestExecCgroup"),
    name: "three commands at once are in the container's control group",
    script: `i cat /proc/1/cgroup > $D/main; for n in 1 2 3; do x $T cat /proc/self/cgroup > $D/$n & done; wait
for n in 1 2 3; do cmp $D/main $D/$n && echo equal; done`,
    fact: { stdout: "equal\n".repeat(3) }
  },
  {
    source: cli("TestExecInteractive"),
    name: "answers before its input ends, and ends with it",
    script: `coproc x -i $T sh; pid=$COPROC_PID; in=\${COPROC[1]}; echo 'cat /tmp/file' >&$in
read -r line <&\${COPROC[0]}; echo "read $line"; eval "exec $in>&-"; wait $pid`,
    fact: { stdout: "read test\n" }
  },
  {
    source: cli("TestExecExitStatus"),
    name: "the exit code is the command's",
    script: "x $T sh -c 'exit 23'",
    fact: { end: 23 }
  },
  {
    source: cli("TestExecTTYCloseStdin"),
    name: "no process is left in a container with a terminal when the input has ended",
    on: "terminal",
    script: "printf test | x -i $T cat - /dev/null; echo; i ps | grep -c '[c]at - /dev/null'",
    fact: { end: 1, stdout: "test\n0\n" }
  },
  {
    source: cli("TestExecInspectID"),
    name: "the engine lists the command while it runs, and not after it",
    on: "spare",
    script: `${ids}; x $T sh -c 'until [ -e '$W' ]; do sleep 0.1; done' & some; i touch $W; wait; none; ids`,
    fact: { stdout: "[]\n" }
  },
  {
    source: api("TestExecAPIStartInvalidCommand"),
    name: "the engine does not list a command that could not start",
    on: "restricted",
    script: `${ids}; x $T invalid > $D/out 2>&1 && echo started; none; ids`,
    fact: { stdout: "[]\n" }
  },
  {
    source: api("TestExecAPIStartWithDetach"),
    name: "-d starts the command and returns without output",
    script: `x -d $T sh -c "echo ran; echo ran > $W"; for n in $(seq 100); do i test -s $W && break; done; i cat $W`,
    fact: { stdout: "ran\n", stderr: "" }
  },
  {
    source: parse("TestParseExec (detached, with a terminal and input)"),
    name: "-d with -i and -t gives the command a terminal",
    script: `x -dit $T sh -c "test -t 0 && test -t 1 && echo terminal > $W"
for n in $(seq 100); do i test -s $W && break; done; i cat $W`,
    fact: { stdout: "terminal\n", stderr: "" }
  },
  {
    source: unix("TestExecInteractiveStdinClose"),
    name: "-i does not wait for keys when the command has ended",
    on: "terminal",
    script: "x -i $T echo -n hello",
    typed: [],
    fact: { shown: /hello/ }
  },
  {
    source: linux("TestExecConsoleSize"),
    name: "the command's terminal has the size of the caller's",
    script: `stty rows 57 cols 123; x -it $T sh -c 'until [ "$(stty size 2>&-)" = "57 123" ]; do :; done; stty size'`,
    typed: [],
    fact: { shown: /57 123/ }
  },
  {
    source: parse("TestParseExec (detach keys of the configuration)"),
    name: "detachKeys of ~/.docker/config.json detach from the command",
    script: `mkdir $D/config; echo '{"detachKeys":"ctrl-x,x"}' > $D/config/config.json; export DOCKER_CONFIG=$D/config
x -it $T sh -c 'echo up; until [ -e '$W' ]; do sleep 0.1; done' 2> $D/said; i touch $W`,
    typed: [[/up/, "\x18x"]],
    fact: { shown: /^up\r\n$/ }
  },
  {
    source: kubectl("should support exec (a very long command)"),
    name: "a word of 20,000 characters arrives",
    script: "x $T echo $(head -c 20000 /dev/zero | tr '\\0' a) | wc -c",
    fact: { stdout: "20001\n" }
  },
  {
    source: kubectl("should support exec (pseudo-interactive stdin)"),
    name: "a shell ends with exit, though its input stays open",
    script: "mkfifo $D/in; x -i $T sh < $D/in & exec 3> $D/in; printf 'echo hi\\nexit\\n' >&3; wait $!",
    fact: { stdout: "hi\n" }
  },
  {
    source: testsOf("kubernetes/kubectl", "pkg/cmd/exec/exec_test.go")("TestPodAndContainer (flag-like args)"),
    name: "words like flags after the command are the command's",
    script: "x $T echo --any-flag any-value -it -- -h",
    fact: { stdout: "--any-flag any-value -it -- -h\n" }
  }
]

/** What the command finds: variables, directory, privileges, limits. */
export const surroundings: ReadonlyArray<UpstreamCase> = [
  {
    source: cli("TestExecEnv"),
    name: "the container's variables, the last value of each, and HOME",
    script: "x $T env | grep -E '^(LALA|HOME)='",
    fact: { stdout: "LALA=value2\nHOME=/root\n" }
  },
  {
    source: cli("TestExecSetEnv"),
    name: "-e replaces a variable and adds one",
    script: "x -e HOME=/another -e ABC=xyz $T env | grep -E '^(HOME|ABC)=' | sort",
    fact: { stdout: "ABC=xyz\nHOME=/another\n" }
  },
  {
    source: cli("TestExecWithPrivileged"),
    name: "--privileged gives one command more capabilities, and the next one has no more than before",
    // Engine 20.10 with runc 1.1 or newer refuses all privileged commands: docker and task-exec must then tell so alike.
    script: `caps() { x "$@" $T grep CapEff /proc/self/status; }; before=$(i grep CapEff /proc/self/status); caps --privileged > $D/more 2>&1
[ $? = 0 ] || { grep -o 'unable to apply caps' $D/more; exit; }
cat $D/more; [ "$before" = "$(caps)" ] && [ "$before" != "$(cat $D/more)" ] && echo more`,
    fact: { stdout: /^(CapEff:\t[0-9a-f]{16}\nmore|unable to apply caps)\n$/ }
  },
  {
    source: cli("TestExecOnReadonlyContainer"),
    name: "a command runs in a read-only container",
    on: "restricted",
    script: "x $T true"
  },
  {
    source: cli("TestExecUlimits"),
    name: "the container's ulimits hold for the command",
    on: "restricted",
    script: "x $T sh -c 'ulimit -n'",
    fact: { stdout: "511\n" }
  },
  {
    source: cli("TestRunMutableNetworkFiles"),
    name: "a change of /etc/hosts stays",
    on: "spare",
    script: "x $T sh -c 'echo success >> /etc/hosts'; i tail -n 1 /etc/hosts",
    fact: { stdout: "success\n" }
  },
  {
    source: unix("TestExecWithTERM"),
    name: "-t sets TERM",
    script: "x -t $T sh -c 'echo $TERM'",
    fact: { stdout: "xterm\r\n" }
  },
  {
    source: unix("TestExecWithNoTERM"),
    name: "without -t there is no TERM, not even in a container with a terminal",
    on: "terminal",
    script: "x $T sh -c 'echo \"[$TERM]\"'",
    fact: { stdout: "[]\n" }
  },
  {
    source: container("TestExec"),
    name: "-w and -e, in a container with another working directory",
    on: "terminal",
    script: "x -w /tmp -e FOO=BAR $T sh -c env | grep -E '^(FOO|PWD)=' | sort",
    fact: { stdout: "FOO=BAR\nPWD=/tmp\n" }
  },
  {
    source: parse("TestParseExec (env-file)"),
    name: "--env-file, with a line of white space",
    script: "printf 'ONE=1\\nTWO=2\\n\\t' > $D/env; x --env-file $D/env $T env | grep -E '^(ONE|TWO)=' | sort",
    fact: { stdout: "ONE=1\nTWO=2\n" }
  },
  {
    source: parse("TestParseExec (env-file and env)"),
    name: "-e overrides --env-file",
    script: `printf 'ONE=1\\nTWO=2\\n' > $D/env
x -e ONE=override --env-file $D/env $T sh -c 'echo $ONE $TWO'`,
    fact: { stdout: "override 2\n" }
  },
  {
    source: composeExec("TestLocalComposeExec (variable of the caller)"),
    name: "-e NAME takes the caller's value",
    script: "FOO=BAR x -e FOO $T env | grep FOO",
    fact: { stdout: "FOO=BAR\n" }
  },
  {
    source: composeExec("TestLocalComposeExec (variable that the caller lacks)"),
    name: "-e NAME sets nothing if the caller has no value",
    script: "x -e FOO $T env | grep -c FOO=",
    fact: { end: 1, stdout: "0\n" }
  }
]

const user = (
  on: TargetName,
  name: string,
  flag: string,
  stdout: RegExp,
  source = container(`TestExecUser (${name})`)
): UpstreamCase => ({ source, name, on, script: `x ${flag} $T id`, fact: { stdout } })

const root = /^uid=0/
const nobody = /^uid=65534\S* gid=65534/

/** As whom the command runs. */
export const users: ReadonlyArray<UpstreamCase> = [
  user("plain", "a uid", "-u 65534", nobody, cli("TestExecWithUser (1)")),
  {
    source: cli("TestExecWithImageUser"),
    name: "the container's user has its name",
    on: "user",
    script: "x $T whoami",
    fact: { stdout: "nobody\n" }
  },
  user("user", "default user", "", nobody),
  user("user", "uid", "-u 0", root),
  user("user", "username groupname", "-u root:root", root),
  user("groupless", "uid:gid and missing etc/group", "-u 0:0", root),
  user("userless", "group and missing etc/passwd", "-u 0:root", root),
  user("terminal", "additional groups of a container with a user", "", /777/, container("TestExecWithGroupAdd"))
]
