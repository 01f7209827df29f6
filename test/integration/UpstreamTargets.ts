/** The services of the tests in which facts of upstream tests are checked. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { containerLog } from "../cluster/ContainerLog.ts"
import { get, request } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { type RunningTask, type ServiceOptions, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checksDone } from "./Harness.ts"

const sleeping = "exec sleep 1000000"

/** Three long lines, two numbered ones a second apart, a hundred equal ones, and one on stderr. */
const printing = `for n in 32767 32768 33000; do head -c $n /dev/zero | tr '\\0' =; echo; done; echo log1; sleep 1.5; echo log2
echo stderr_log >&2; for n in $(seq 100); do echo =; done; echo printed; ${sleeping}`

/** Slot 1 has no /etc/group, slot 2 no /etc/passwd, and slot 3 is paused. */
const stripping = `case $SLOT in 1) rm /etc/group;; 2) rm /etc/passwd;; esac; ${sleeping}`

const script = (text: string) => ["sh", "-c", text]

/** All run on the same node, which is not the connected engine's. */
const services = (folder: string) => {
  const bind = (Target: string, ReadOnly: boolean) => ({ Type: "bind", Source: folder, Target, ReadOnly })
  return {
    plain: {
      env: ["LALA=value1", "LALA=value2"],
      command: script(`echo test > /tmp/file; ${sleeping}`),
      replicas: 2
    },
    terminal: {
      tty: true,
      user: "root:root",
      command: script(`echo out; echo err >&2; ${sleeping}`),
      containerSpec: { Dir: "/root", OpenStdin: true, Groups: ["nogroup", "777"] }
    },
    restricted: {
      containerSpec: {
        ReadOnly: true,
        CapabilityDrop: ["ALL"],
        Ulimits: [{ Name: "nofile", Soft: 511, Hard: 511 }]
      }
    },
    user: {
      // Engine 20.10 finds no user with "65534:65534" for a copy with its owner.
      user: "nobody",
      containerSpec: { Mounts: [bind("/bind", false), bind("/bind_ro", true)] }
    },
    stripped: { env: ["SLOT={{.Task.Slot}}"], command: script(stripping), replicas: 3 },
    printer: { command: script(printing) }
  } satisfies Record<string, Omit<ServiceOptions, "name" | "image" | "node">>
}

/** A container of them, and how a script names it. */
export interface Target {
  readonly service: string
  readonly target: string
  readonly taskId: string
  readonly containerId: string
  /** The engine of its node. */
  readonly dockerHost: string
}

/** `spare` is the second task of `plain`; `ended` has printed and ended. */
export type TargetName =
  | "plain"
  | "spare"
  | "terminal"
  | "restricted"
  | "user"
  | "groupless"
  | "userless"
  | "paused"
  | "printer"
  | "ended"

const Tasks = Schema.Array(
  Schema.Struct({
    ID: Schema.String,
    Status: Schema.Struct({
      State: Schema.String,
      ContainerStatus: Schema.optionalKey(Schema.Struct({ ContainerID: Schema.optionalKey(Schema.String) }))
    })
  })
)

/** Their containers, and a folder on this machine that the containers of `user` have as a mount. */
export class UpstreamTargets extends Context.Service<
  UpstreamTargets,
  { readonly folder: string; readonly targets: Readonly<Record<TargetName, Target>> }
>()("task-exec/test/UpstreamTargets") {
  static readonly layer = Layer.effect(
    UpstreamTargets,
    Effect.gen(function* () {
      const { image, manager, nodes } = yield* SwarmCluster
      const node = nodes.find(({ nodeId }) => nodeId !== manager.nodeId) ?? manager
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "task-exec-upstream-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      // The node's containers see it as a mount.
      writeFileSync(join(folder, "inside"), "inside\n")
      mkdirSync(join(folder, "mounted"))
      writeFileSync(join(folder, "mounted", "deep"), "deep\n")
      const nameOf = (name: string) => `upstream-${name}`

      const running = Effect.fnUntraced(function* (name: string, options: Omit<ServiceOptions, "name" | "image">) {
        yield* service(manager.socket, { image, node: node.name, ...options, name: nameOf(name) })
        yield* Effect.addFinalizer(() => checksDone)
        return yield* waitRunning(manager.socket, nameOf(name), Number(options.replicas ?? 1))
      })
      const target = (name: string, { containerId, id, slot }: RunningTask): Target => ({
        service: nameOf(name),
        target: `${nameOf(name)}.${slot}`,
        taskId: id,
        containerId,
        dockerHost: node.dockerHost
      })
      const one = (name: string, options: Omit<ServiceOptions, "name" | "image">) =>
        Effect.map(running(name, options), (tasks) => tasks.map((task) => target(name, task)))

      const ended = Effect.gen(function* () {
        const name = nameOf("ended")
        const command = script("printf 'this is fine'; printf 'accidents happen' >&2")
        yield* service(manager.socket, { image, node: node.name, name, command, restart: "none" })
        const query = { filters: JSON.stringify({ service: { [name]: true } }) }
        const completed = Effect.map(get(manager.socket, "/tasks", Tasks, { query }), (tasks) =>
          tasks.find(({ Status }) => Status.State === "complete")
        )
        yield* pollUntil(
          Effect.map(completed, (task) => task !== undefined),
          { every: 100, atMost: 120_000, orElse: Effect.die(`${name} does not end`) }
        )
        const task = yield* completed
        const containerId = task?.Status.ContainerStatus?.ContainerID ?? ""
        return { ...target("ended", { id: task?.ID ?? "", nodeId: node.nodeId, slot: 1, containerId }) }
      })

      const of = services(folder)
      const all = yield* Effect.all(
        {
          plain: one("plain", of.plain),
          terminal: one("terminal", of.terminal),
          restricted: one("restricted", of.restricted),
          user: one("user", of.user),
          stripped: one("stripped", of.stripped),
          printer: one("printer", of.printer),
          ended
        },
        { concurrency: "unbounded" }
      )
      const nth = (tasks: ReadonlyArray<Target>, n: number) => {
        const task = tasks[n]
        return task === undefined ? Effect.die(`no task ${n}`) : Effect.succeed(task)
      }
      const targets = yield* Effect.all({
        plain: nth(all.plain, 0),
        spare: nth(all.plain, 1),
        terminal: nth(all.terminal, 0),
        restricted: nth(all.restricted, 0),
        user: nth(all.user, 0),
        groupless: nth(all.stripped, 0),
        userless: nth(all.stripped, 1),
        paused: nth(all.stripped, 2),
        printer: nth(all.printer, 0),
        ended: Effect.succeed(all.ended)
      })
      const { containerId } = targets.paused
      yield* Effect.acquireRelease(request(node.socket, "POST", `/containers/${containerId}/pause`), () =>
        Effect.orDie(request(node.socket, "POST", `/containers/${containerId}/unpause`))
      )
      yield* pollUntil(
        // The engine copies the two streams apart, so either line may be the log's last.
        Effect.map(
          containerLog(node.socket, targets.printer.containerId),
          ({ stderr, stdout }) => stdout.includes("printed") && stderr.includes("stderr_log")
        ),
        { every: 100, atMost: 120_000, orElse: Effect.die("the printer does not print") }
      )
      return { folder, targets }
    })
  ).pipe(Layer.provideMerge(SwarmCluster.layerShared))
}
