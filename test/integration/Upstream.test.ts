/** What the tests of Docker, Compose and Kubernetes assert of exec, cp, logs and run holds for task-exec. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { Agents, checkLeftoversMeanwhile } from "./Harness.ts"
import { outcomeOf, outcomeOfDocker, type Program, shorten } from "./Parity.ts"
import type { UpstreamCase } from "./UpstreamCase.ts"
import { copies } from "./UpstreamCopyCases.ts"
import { copyRefusals } from "./UpstreamCopyRefusalCases.ts"
import { streams, surroundings, users } from "./UpstreamExecCases.ts"
import { logs, runs } from "./UpstreamLogCases.ts"
import { names, refusals } from "./UpstreamRefusalCases.ts"
import { UpstreamTargets } from "./UpstreamTargets.ts"

checkLeftoversMeanwhile()

type Outcome = Effect.Success<ReturnType<typeof outcomeOf>>

/** The files of moby's own tests. */
const tree = `for n in 1 2 3; do echo file$n > file$n; done; mkdir dir1 dir2 permdirtest; echo file1-1 > dir1/file1-1
echo file2-1 > dir2/file2-1; ln -s file1 symlinkToFile1; ln -s dir1 symlinkToDir1; ln -s fileX brokenSymlinkToFileX
ln -s dirX brokenSymlinkToDirX; ln -s /root symlinkToAbsDir; echo perm_test > permdirtest/permtest
chmod 400 permdirtest/permtest; chmod 700 permdirtest; chown 65534:65534 permdirtest/permtest; chown 2:2 permdirtest`

const show = `find . | sort | while read -r p; do if [ -L "$p" ]; then echo "$p -> $(readlink "$p")"
elif [ -f "$p" ]; then echo "$p: $(cat "$p")"; else echo "$p/"; fi; done`

const functions = `i() { docker -H $N exec $C "$@"; }; tree() { eval "$TREE"; }; show() { (cd $1 && eval "$SHOW"); }`

const run = Effect.fnUntraced(function* (program: Program, one: UpstreamCase, number: number) {
  const { manager } = yield* SwarmCluster
  const { folder, targets } = yield* UpstreamTargets
  const { containerId, dockerHost, service, target, taskId } = targets[one.on ?? "plain"]
  const isDocker = program === "docker"
  const env = {
    DOCKER_HOST: isDocker ? dockerHost : manager.dockerHost,
    T: isDocker ? containerId : target,
    ID: isDocker ? containerId : taskId,
    S: service,
    C: containerId,
    N: dockerHost,
    D: mkdtempSync(join(folder, "case-")),
    W: `/tmp/${number}-${program}`,
    TREE: tree,
    SHOW: show
  }
  const script = { ...one, script: `${functions}; ${one.script}` }
  return yield* isDocker ? outcomeOfDocker(env, script) : outcomeOf(program, env, script)
})

const holds = (wanted: string | RegExp | undefined, text: string): boolean =>
  wanted === undefined || (typeof wanted === "string" ? text === wanted : wanted.test(text))

const isAsTold = (outcome: Outcome, { end = 0, ...wanted }: NonNullable<UpstreamCase["fact"]>): boolean =>
  outcome.end === end &&
  ("shown" in outcome
    ? holds(wanted.shown, outcome.shown)
    : holds(wanted.stdout, outcome.stdout) && holds(wanted.stderr, outcome.stderr))

const isRefused = (outcome: Outcome, { code, says }: NonNullable<UpstreamCase["failure"]>): boolean =>
  "stderr" in outcome &&
  outcome.end === code &&
  outcome.stdout === "" &&
  outcome.stderr.startsWith("task-exec") &&
  says.test(outcome.stderr)

const check = Effect.fnUntraced(function* (one: UpstreamCase, number: number) {
  const ours = yield* run("task-exec", one, number)
  const theirs = one.isOurs === true ? undefined : yield* run("docker", one, number)
  const isAlike =
    one.failure !== undefined
      ? isRefused(ours, one.failure) && theirs?.end !== 0
      : isAsTold(ours, one.fact ?? {}) && (theirs === undefined || JSON.stringify(ours) === JSON.stringify(theirs))
  return isAlike ? [] : [{ case: `${one.name} (${one.source})`, wanted: String(one.failure?.says), ours, theirs }]
})

/** Numbers start at `from`, so that no two cases use the same path. */
const checkAll = Effect.fnUntraced(function* (cases: ReadonlyArray<UpstreamCase>, from: number) {
  const differences = yield* Effect.forEach(cases, (one, index) => check(one, from + index), { concurrency: 4 })
  assert.strictEqual(JSON.stringify(differences.flat(), shorten, 2), "[]")
})

const groups = {
  "exec: input, output and exit codes": streams,
  "exec: what the command finds": surroundings,
  "exec: as whom the command runs": users,
  "exec: commands that do not start": refusals,
  "exec: names of tasks": names,
  "cp: copies": copies,
  "cp: refusals": copyRefusals,
  logs,
  "run: one-off tasks": runs
} satisfies Record<string, ReadonlyArray<UpstreamCase>>

layer(UpstreamTargets.layer.pipe(Layer.provideMerge(Agents)), { excludeTestServices: true, timeout: "180 seconds" })(
  "facts of upstream tests",
  (it) => {
    for (const [at, [name, cases]] of Object.entries(groups).entries()) {
      it.effect(name, () => checkAll(cases, at * 1000), 480_000)
    }
  }
)
