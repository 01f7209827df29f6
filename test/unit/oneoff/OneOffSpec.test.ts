import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Service } from "../../../src/engine/SwarmSchemas.ts"
import { wordsOf } from "../../../src/executor/OneOff.ts"
import { holdPath } from "../../../src/oneoff/Hold.ts"
import { commandOfOneOff, oneOffServiceSpec, readOriginal } from "../../../src/oneoff/OneOffSpec.ts"
import { type CheckedOneOff, checkedOneOff, invalidOneOff } from "../../../src/request/OneOffRequest.ts"

const decode = Schema.decodeUnknownSync(Service)

const containerSpec = {
  Image: "shop:1@sha256:abc",
  Command: ["serve"],
  Args: ["--port", "80"],
  Env: ["A=1", "SLOT={{.Task.Slot}}"],
  Labels: { "traefik.enable": "true", "task-exec.allow": "run" },
  Hostname: "{{.Node.Hostname}}",
  TTY: true,
  OpenStdin: true,
  Healthcheck: { Test: ["CMD", "check"], Interval: 1 },
  StopSignal: "SIGWINCH",
  Isolation: "default",
  Init: true,
  Sysctls: { "net.core.somaxconn": "1024" },
  FieldOfTomorrow: { deep: [1, 2] },
  Secrets: [{ SecretID: "s", SecretName: "key", File: { Name: "key", UID: "0", GID: "0", Mode: 256 } }]
}

const original = (container: object = containerSpec, spec: object = {}) =>
  readOriginal(
    "h",
    decode({
      ID: "id",
      Spec: {
        Name: "shop",
        Labels: { "com.docker.stack.namespace": "s" },
        TaskTemplate: {
          ContainerSpec: container,
          Resources: {
            Limits: { MemoryBytes: 1, Pids: 5 },
            Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: "gpu", Value: 1 } }] }
          },
          RestartPolicy: { Condition: "any", Delay: 5 },
          Placement: {
            Constraints: ["node.role==worker"],
            MaxReplicas: 1,
            Preferences: [{}],
            Platforms: [{ OS: "linux" }]
          },
          Networks: [{ Target: "n", Aliases: ["front"], DriverOpts: { a: "b" } }],
          LogDriver: { Name: "syslog" },
          ForceUpdate: 3
        },
        Mode: { Global: {} },
        UpdateConfig: { Parallelism: 1 },
        EndpointSpec: { Ports: [{ TargetPort: 80 }] },
        ...spec
      }
    })
  )

const request = (part: Partial<CheckedOneOff> = {}): CheckedOneOff => ({ ...checkedOneOff({}, []), ...part })

const derive = (part: Partial<CheckedOneOff> = {}) =>
  Effect.map(original(), (from) =>
    oneOffServiceSpec(from, {
      name: "task-exec-run-x",
      labels: { "task-exec.run": "x" },
      secretId: "hold",
      request: request(part),
      constraints: ["node.id==n1"]
    })
  )

describe("the service of a one-off task", () => {
  it.effect("keeps what a task has, and drops what others act on", () =>
    Effect.gen(function* () {
      const { TaskTemplate, ...spec } = yield* derive()
      const { ContainerSpec, ...template } = TaskTemplate
      assert.deepStrictEqual(spec, {
        Name: "task-exec-run-x",
        Labels: { "task-exec.run": "x" },
        Mode: { Replicated: { Replicas: 1 } },
        EndpointSpec: { Mode: "dnsrr" }
      })
      const { Args, Command, Healthcheck, Labels, OpenStdin, StopSignal, TTY, ...kept } = containerSpec
      assert.deepStrictEqual(ContainerSpec, {
        ...kept,
        Command: [holdPath],
        Labels: { "task-exec.allow": "run", "task-exec.run": "x" },
        Healthcheck: { Test: ["NONE"] },
        StopSignal: "SIGTERM",
        Secrets: [
          ...kept.Secrets,
          {
            SecretID: "hold",
            SecretName: "task-exec-run-x",
            File: { Name: holdPath, UID: "0", GID: "0", Mode: 0o555 }
          }
        ]
      })
      assert.deepStrictEqual(template, {
        Resources: {
          Limits: { MemoryBytes: 1, Pids: 5 },
          Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: "gpu", Value: 1 } }] }
        },
        RestartPolicy: { Condition: "none", MaxAttempts: 5 },
        Placement: { Constraints: ["node.role==worker", "node.id==n1"], Platforms: [{ OS: "linux" }] },
        Networks: [{ Target: "n", DriverOpts: { a: "b" } }],
        LogDriver: { Name: "syslog" },
        ForceUpdate: 0
      })
    })
  )

  it.effect("has what the request adds", () =>
    Effect.gen(function* () {
      const { Labels, TaskTemplate } = yield* derive({
        image: "shop:2",
        labels: { mine: "1" },
        constraints: ["node.labels.ssd==1"],
        limits: { MemoryBytes: 9, NanoCPUs: 5e8 }
      })
      const { ContainerSpec, Placement, Resources } = TaskTemplate
      assert.deepStrictEqual(Labels, { mine: "1", "task-exec.run": "x" })
      assert.strictEqual(ContainerSpec.Image, "shop:2")
      assert.include(ContainerSpec.Labels, { mine: "1" })
      // Another image may support other platforms.
      assert.deepStrictEqual(Placement, {
        Constraints: ["node.role==worker", "node.labels.ssd==1", "node.id==n1"]
      })
      assert.deepStrictEqual(Resources.Limits, { MemoryBytes: 9, NanoCPUs: 5e8, Pids: 5 })
    })
  )

  it.effect("takes the networks of an old client's spec", () =>
    Effect.gen(function* () {
      const from = yield* readOriginal(
        "h",
        decode({
          ID: "id",
          Spec: { Name: "old", TaskTemplate: { ContainerSpec: { Image: "i" } }, Networks: [{ Target: "n" }] }
        })
      )
      assert.deepStrictEqual(from.template.Networks, [{ Target: "n" }])
    })
  )

  it.effect("needs a container", () =>
    Effect.gen(function* () {
      const service = decode({ ID: "id", Spec: { Name: "plugin", TaskTemplate: { PluginSpec: {} } } })
      const error = yield* Effect.flip(readOriginal("h", service))
      assert.match(error.message, /cannot read the spec of service plugin/)
    })
  )
})

const Words = Schema.Array(Schema.String)
const Case = Schema.Struct({
  image: Schema.Struct({ Entrypoint: Words, Cmd: Words }),
  command: Schema.optionalKey(Words),
  args: Schema.optionalKey(Words),
  words: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  entrypoint: Schema.optionalKey(Schema.NonEmptyArray(Schema.String))
})

describe("the command of a one-off task", () => {
  it.effect.prop("is that of docker compose run", [Case], ([{ args = [], command = [], entrypoint, image, words }]) =>
    Effect.gen(function* () {
      const from = yield* original({ Image: "i", Command: command, Args: args })
      const spec = commandOfOneOff(from, { args: words, entrypoint, image: undefined })
      const ownArgs = args.length > 0 || command.length > 0 ? args : image.Cmd
      const expected =
        entrypoint !== undefined
          ? [...entrypoint, ...(words ?? [])]
          : [...(command.length > 0 ? command : image.Entrypoint), ...(words ?? ownArgs)]
      assert.deepStrictEqual(wordsOf(spec, image), expected)
    })
  )
})

describe("a request for a one-off task", () => {
  const cases = [
    [{ image: "" }, /image/],
    [{ entrypoint: [] }, /entrypoint/],
    [{ entrypoint: [""] }, /entrypoint/],
    [{ labels: { "task-exec.role": "x" } }, /belongs to task-exec/],
    [{ labels: { "": "x" } }, /no name/],
    [{ labels: { a: "\0" } }, /NUL/],
    [{ limits: { memory: 1.5 } }, /memory must be a positive number/],
    [{ limits: { cpus: Number.NaN } }, /cpus must be a positive number/],
    [{ reservations: { cpus: -1 } }, /cpus must be a positive number/]
  ] as const
  it("is refused with the reason", () => {
    for (const [wrong, reason] of cases) assert.match(invalidOneOff(wrong) ?? "", reason)
    assert.isUndefined(
      invalidOneOff({ image: "i", entrypoint: ["sh"], labels: { a: "" }, limits: { cpus: 0.5, memory: 1, pids: 3 } })
    )
  })

  it("becomes the numbers of a service's spec", () => {
    const { limits, reservations } = checkedOneOff({ limits: { cpus: 0.5, pids: 7 }, reservations: { memory: 3 } }, [])
    assert.deepStrictEqual([limits, reservations], [{ NanoCPUs: 500_000_000, Pids: 7 }, { MemoryBytes: 3 }])
  })
})
