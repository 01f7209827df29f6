/** A fact that a test of Docker, Compose or Kubernetes asserts, as a script for docker and task-exec. */
import type { Script } from "./Parity.ts"
import type { TargetName } from "./UpstreamTargets.ts"

/**
 * One fact.
 *
 * **Details**: `x`, `c`, `l` and `r` are `docker exec`, `docker cp` and `docker logs`, or task-exec's exec, cp, logs and run.
 * `i` runs a command in the container through its engine, for both. `$T` is the container or the target, `$C` the container's
 * ID, `$ID` that ID or the task's, `$S` the service, `$N` the DOCKER_HOST of the node, `$D` a folder of the script's own on this
 * machine, and `$W` a path in the container that nothing else uses. `tree` prepares the files of moby's tests in the working
 * directory, and `show DIR` lists a folder with contents and links; `$TREE` and `$SHOW` do so for `sh -c` in a container.
 */
export interface UpstreamCase extends Script {
  /** The upstream test: repository, file, name of the test. */
  readonly source: string
  /** What the test asserts. */
  readonly name: string
  /** Where the script runs: a task of a plain service on another node unless told. */
  readonly on?: TargetName
  /** What the test asserts of the outcome. docker and task-exec must match it, and both outcomes must be equal. */
  readonly fact?: {
    /** The exit code: 0 unless told. */
    readonly end?: number
    readonly stdout?: string | RegExp
    readonly stderr?: string | RegExp
    readonly shown?: RegExp
  }
  /** docker and task-exec fail, each in its own words: task-exec's exit code and message. */
  readonly failure?: { readonly code: number; readonly says: RegExp }
  /** Docker has no such command: the outcome is compared with the fact alone. */
  readonly isOurs?: true
}

/** Names the tests of one file of a repository. */
export const testsOf =
  (repository: string, file: string) =>
  (test: string): string =>
    `${repository} ${file} ${test}`
