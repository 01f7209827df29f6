/** Derives the service of a one-off task from the spec of a service. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { UnexpectedReply } from "../engine/EngineErrors.ts"
import type { SecretReference } from "../engine/RequestBodies.ts"
import { restartPolicy } from "../engine/ServiceRemoval.ts"
import type { Service } from "../engine/SwarmSchemas.ts"
import type { OneOffSpec } from "../executor/ExecSpec.ts"
import { allowLabel } from "../policy/Policy.ts"
import type { CheckedOneOff } from "../request/OneOffRequest.ts"
import { holdPath } from "./Hold.ts"

/** A part of a spec with all its fields, including those that task-exec does not know. */
const Parts = Schema.Record(Schema.String, Schema.Unknown)
const Texts = Schema.Array(Schema.String)
const open = [Parts] as const

/** A service's `TaskTemplate`. Names the fields that a one-off task changes. All other fields are kept. */
const Template = Schema.StructWithRest(
  Schema.Struct({
    ContainerSpec: Schema.StructWithRest(
      Schema.Struct({
        Image: Schema.String,
        Command: Schema.optionalKey(Texts),
        Args: Schema.optionalKey(Texts),
        Labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
        Secrets: Schema.optionalKey(Schema.Array(Parts))
      }),
      open
    ),
    Resources: Schema.optionalKey(
      Schema.StructWithRest(
        Schema.Struct({ Limits: Schema.optionalKey(Parts), Reservations: Schema.optionalKey(Parts) }),
        open
      )
    ),
    Placement: Schema.optionalKey(
      Schema.Struct({ Constraints: Schema.optionalKey(Texts), Platforms: Schema.optionalKey(Schema.Unknown) })
    ),
    Networks: Schema.optionalKey(Schema.Array(Parts))
  }),
  open
)

/** A service's `TaskTemplate`. */
type Template = typeof Template.Type

const decodeTemplate = Schema.decodeUnknownEffect(Template)
const decodeNetworks = Schema.decodeUnknownEffect(Schema.Array(Parts))

/** The service of a one-off task, as a manager describes it. */
export interface Original {
  readonly service: Service
  readonly template: Template
}

/** Reads the service's spec. Fails with `UnexpectedReply` if it has no container. */
export const readOriginal = Effect.fnUntraced(function* (
  host: string,
  service: Service
): Effect.fn.Return<Original, UnexpectedReply> {
  const operation = `read the spec of service ${service.Spec.Name}`
  return yield* Effect.gen(function* () {
    const template = yield* decodeTemplate(service.Spec.TaskTemplate)
    if (template.Networks !== undefined || service.Spec.Networks === undefined) return { service, template }
    return { service, template: { ...template, Networks: yield* decodeNetworks(service.Spec.Networks) } }
  }).pipe(Effect.mapError(({ message }) => new UnexpectedReply({ host, operation, detail: message })))
})

const given = (words: ReadonlyArray<string> | undefined) =>
  words === undefined || words.length === 0 ? undefined : words

/**
 * Returns the command of the one-off task, as `docker compose run` does: the request's words replace the service's arguments. An entrypoint
 * in the request replaces both the entrypoint and the arguments of the service.
 */
export const commandOfOneOff = (
  { template: { ContainerSpec } }: Original,
  { args, entrypoint, image = ContainerSpec.Image }: Pick<CheckedOneOff, "args" | "entrypoint" | "image">
): OneOffSpec => {
  if (entrypoint !== undefined) return { image, entrypoint, args: args ?? [] }
  const own = given(ContainerSpec.Command)
  const words = args ?? given(ContainerSpec.Args)
  return { image, ...(own === undefined ? {} : { entrypoint: own }), ...(words === undefined ? {} : { args: words }) }
}

/** The parts of a one-off task's service that do not come from the original service. */
export interface OneOffService {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** ID of the secret with the hold program. The secret has the service's name. */
  readonly secretId: string
  readonly request: CheckedOneOff
  /** Placement constraints in addition to those of the service and the request. */
  readonly constraints: ReadonlyArray<string>
}

/** Fields that are copied without change. */
type Passed = Readonly<Record<string, unknown>>

/** The spec of the service whose only task is a one-off task. */
export interface OneOffServiceSpec {
  readonly Name: string
  readonly Labels: Readonly<Record<string, string>>
  readonly TaskTemplate: Passed & {
    readonly ContainerSpec: Passed & { readonly Image: string; readonly Labels: Readonly<Record<string, string>> }
    readonly Resources: Passed
    readonly Placement: Passed
  }
  readonly Mode: { readonly Replicated: { readonly Replicas: number } }
  readonly EndpointSpec: { readonly Mode: "dnsrr" }
}

/**
 * Returns the spec of the service whose only task is the one-off task.
 *
 * **Details**: copies from the original: image, environment, secrets, configs, mounts, networks, user, placement, resources, logging, and
 * every field that this version does not know. Leaves out everything by which other programs find or change the task: ports, aliases,
 * labels (except the policy's), health check, update settings. The main process is the hold program, and Swarm does not restart the task.
 */
export const oneOffServiceSpec = (
  { template }: Original,
  { constraints, labels, name, request, secretId }: OneOffService
): OneOffServiceSpec => {
  const { ContainerSpec, Networks, Placement, Resources, ...others } = template
  const { Args, Command, Healthcheck, OpenStdin, TTY, ...container } = ContainerSpec
  const allow = ContainerSpec.Labels?.[allowLabel]
  const all = { ...request.labels, ...labels }
  const hold: SecretReference = {
    SecretID: secretId,
    SecretName: name,
    File: { Name: holdPath, UID: "0", GID: "0", Mode: 0o555 }
  }
  const { image, limits, reservations } = request
  return {
    Name: name,
    Labels: all,
    TaskTemplate: {
      ...others,
      ContainerSpec: {
        ...container,
        Image: image ?? ContainerSpec.Image,
        Command: [holdPath],
        Labels: { ...(allow === undefined ? {} : { [allowLabel]: allow }), ...all },
        Healthcheck: { Test: ["NONE"] },
        StopSignal: "SIGTERM",
        Secrets: [...(ContainerSpec.Secrets ?? []), hold]
      },
      Resources: {
        ...Resources,
        Limits: { ...Resources?.Limits, ...limits },
        Reservations: { ...Resources?.Reservations, ...reservations }
      },
      RestartPolicy: restartPolicy("never"),
      Placement: {
        Constraints: [...(Placement?.Constraints ?? []), ...request.constraints, ...constraints],
        // A different image may be for different platforms.
        ...(Placement?.Platforms === undefined || image !== undefined ? {} : { Platforms: Placement.Platforms })
      },
      Networks: (Networks ?? []).map(({ Aliases, ...network }) => network),
      ForceUpdate: 0
    },
    Mode: { Replicated: { Replicas: 1 } },
    EndpointSpec: { Mode: "dnsrr" }
  }
}
