/** Completion candidates: flags, their values, and services, tasks, nodes and stacks of the swarm. */
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { defaultContext } from "../../src/engine/DockerConfig.ts"
import { contextNames } from "../../src/engine/DockerContext.ts"
import type { SwarmFailure } from "../../src/engine/EngineErrors.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { wantedTasks } from "../../src/engine/SwarmSchemas.ts"
import { Signal } from "../../src/executor/ExecSpec.ts"
import { stackLabel } from "../../src/fleet/Selection.ts"
import { roleOf } from "../../src/Labels.ts"
import { Via } from "../../src/request/Via.ts"
import { slotOf, taskName } from "../../src/target/ResolvedTask.ts"
import { isRunning } from "../../src/target/TaskState.ts"
import type { Flag } from "../command/Flags.ts"
import { logFormats } from "../LineLogger.ts"
import { type Candidate, type CompletionContext, flagsOf, withoutDescriptions } from "./CompletionContext.ts"
import { isVerb, type VerbName, verbs } from "./VerbNames.ts"

/** `web.2` before `web.10`. */
const byName = ([a]: Candidate, [b]: Candidate): number => a.localeCompare(b, "en", { numeric: true })

const flagNames = (verb: VerbName): ReadonlyArray<Candidate> =>
  Object.entries<Flag>(flagsOf[verb]).flatMap(
    ([name, { about }]): ReadonlyArray<Candidate> => (about === undefined ? [] : [[`--${name}`, about]])
  )

const nodes = Swarm.use((swarm) =>
  Effect.map(swarm.listNodes(), (all) =>
    all
      .map(({ Description, Spec }): Candidate => [Description.Hostname, `${Spec.Role}, ${Spec.Availability}`])
      .sort(byName)
  )
)

const stacks = Swarm.use((swarm) =>
  Effect.map(swarm.listServices({}), (all) =>
    withoutDescriptions([...new Set(all.flatMap(({ Spec }) => Spec.Labels[stackLabel] ?? []))].sort())
  )
)

const services = Swarm.use((swarm) =>
  Effect.map(swarm.listServices({}), (all) =>
    withoutDescriptions(all.flatMap(({ Spec }) => (roleOf(Spec.Labels) === undefined ? [Spec.Name] : [])).sort())
  )
)

/** Services, and running tasks by slot or node. */
const targets = Swarm.use((swarm) =>
  Effect.gen(function* () {
    const [services, tasks, nodes] = yield* Effect.all(
      [swarm.listServices({}), swarm.listTasks(wantedTasks), swarm.listNodes()],
      { concurrency: 3 }
    )
    const hosts = new Map(nodes.map(({ Description, ID }) => [ID, Description.Hostname]))
    return services.flatMap((service): ReadonlyArray<Candidate> => {
      if (roleOf(service.Spec.Labels) !== undefined) return []
      const running = tasks.filter((task) => task.ServiceID === service.ID && isRunning(task))
      const one = running.map((task): Candidate => {
        const host = hosts.get(task.NodeID ?? "") ?? task.NodeID ?? ""
        return [taskName(service, task, host), slotOf(service, task) === undefined ? "" : host]
      })
      return [[service.Spec.Name, `${running.length} running`], ...one.sort(byName)]
    })
  })
)

const valuesOf = (flag: string): Effect.Effect<ReadonlyArray<Candidate>, SwarmFailure | Config.ConfigError, Swarm> => {
  switch (flag) {
    case "node":
      return nodes
    case "stack":
      return stacks
    case "context":
      return Effect.map(contextNames, (names) => withoutDescriptions([defaultContext, ...names]))
    case "via":
      return Effect.succeed(withoutDescriptions(Via.literals))
    case "signal":
      return Effect.succeed(withoutDescriptions(Signal.literals.map((name) => name.slice(3))))
    case "log-format":
      return Effect.succeed(withoutDescriptions(logFormats))
    case "output":
      return Effect.succeed(withoutDescriptions(["json", "summary"]))
    case "filter":
      return Effect.succeed(withoutDescriptions(["label=", "node=", "node.label=", "state=running"]))
    default:
      return Effect.succeed([])
  }
}

/** Returns the candidates for the last word, including those that do not begin with it. */
export const candidatesFor = (
  context: CompletionContext
): Effect.Effect<ReadonlyArray<Candidate>, SwarmFailure | Config.ConfigError, Swarm> => {
  switch (context._tag) {
    case "Flag":
      return Effect.succeed(flagNames(context.verb))
    case "Value":
      return valuesOf(context.flag)
    case "Target":
      return targets
    case "First":
      // Verbs need no engine.
      return Effect.map(
        Effect.orElseSucceed(targets, () => []),
        (found) => [
          ...found.map(([word, about]): Candidate => [isVerb(word) ? `service/${word}` : word, about]),
          ...verbs
        ]
      )
    case "Path":
      return Effect.map(targets, (found) => found.map(([word, about]): Candidate => [`${word}:`, about]))
    case "Service":
      return services
    case "Words":
      return Effect.succeed(context.words)
    case "Nothing":
      return Effect.succeed([])
  }
}
