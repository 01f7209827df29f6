/**
 * What `Scale.ts` measures: a fan-out over a swarm that is too large for this machine, so that a simulated engine describes it. `serve
 * SOCKET TASKS` is that engine, and `measure SOCKET` the fan-out. No command is run: each returns some lines at once.
 */
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Gather } from "../adapters/fleet/Gather.ts"
import { summarize } from "../adapters/fleet/Summary.ts"
import { Swarm } from "../src/engine/Swarm.ts"
import type { TaskOutcome } from "../src/fleet/FleetEvent.ts"
import { paced } from "../src/fleet/Pacing.ts"
import { selectTasks } from "../src/fleet/Selection.ts"
import type { SimulatedFanOut } from "./LargeSwarm.ts"

const tasksPerNode = 10
const servicesCount = 50

const id = (kind: string, number: number): string => `${kind}${String(number).padStart(25 - kind.length, "0")}`

/** The responses of a manager of such a swarm, as large as those of real engines. */
const answers = (tasks: number): Readonly<Record<string, unknown>> => {
  const nodes = Array.from({ length: tasks / tasksPerNode }, (_, n) => ({
    ID: id("n", n),
    Version: { Index: n },
    CreatedAt: "2026-01-01T00:00:00Z",
    Spec: { Labels: { zone: `z${n % 3}` }, Role: n < 5 ? "manager" : "worker", Availability: "active" },
    Description: {
      Hostname: `node-${n + 1}`,
      Platform: { Architecture: "x86_64", OS: "linux" },
      Engine: {
        EngineVersion: "28.5.2",
        Plugins: Array.from({ length: 20 }, (_, p) => ({ Type: "Log", Name: `p${p}` }))
      }
    },
    Status: { State: "ready", Addr: "10.0.0.1" }
  }))
  const services = Array.from({ length: servicesCount }, (_, n) => ({
    ID: id("s", n),
    Version: { Index: n },
    Spec: {
      Name: `service-${n}`,
      Labels: { "com.docker.stack.namespace": "big" },
      Mode: { Replicated: { Replicas: tasks / servicesCount } },
      TaskTemplate: { ContainerSpec: { Image: "busybox:1" } }
    }
  }))
  const all = Array.from({ length: tasks }, (_, n) => ({
    ID: id("t", n),
    Version: { Index: n },
    CreatedAt: "2026-01-01T00:00:00.000000000Z",
    UpdatedAt: "2026-01-01T00:00:00.000000000Z",
    Labels: {},
    Spec: {
      ContainerSpec: {
        Image: `registry.example:5000/image@sha256:${"0".repeat(64)}`,
        Labels: { "com.docker.stack.namespace": "big" },
        Env: Array.from({ length: 20 }, (_, v) => `VARIABLE_${v}=${"x".repeat(30)}`)
      },
      Networks: [{ Target: id("w", 1) }]
    },
    ServiceID: id("s", n % servicesCount),
    Slot: Math.floor(n / servicesCount) + 1,
    NodeID: id("n", Math.floor(n / tasksPerNode)),
    Status: {
      Timestamp: "2026-01-01T00:00:00Z",
      State: "running",
      Message: "started",
      ContainerStatus: { ContainerID: n.toString(16).padStart(64, "0"), PID: 1000 + n, ExitCode: 0 }
    },
    DesiredState: "running",
    NetworksAttachments: [{ Network: { ID: id("w", 1) }, Addresses: ["10.0.1.7/24"] }]
  }))
  const version = { Version: "28.5.2", ApiVersion: "1.51", MinAPIVersion: "1.24", Os: "linux", Arch: "amd64" }
  return { tasks: all, services, nodes, version }
}

/** Serves the responses. Reports to the parent process when it listens. */
const serve = (socket: string, tasks: number): void => {
  const bodies = Object.entries(answers(tasks)).map(([name, value]) => [name, JSON.stringify(value)] as const)
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://engine").pathname
    const body = bodies.find(([name]) => path.endsWith(`/${name}`))?.[1]
    response.writeHead(body === undefined ? 404 : 200, { "Content-Type": "application/json" }).end(body ?? "{}")
  })
  server.listen(socket, () => process.send?.("ready"))
}

/** One fan-out: every hundredth command fails, and every tenth has another output. */
const fanOut = Effect.gen(function* () {
  const began = performance.now()
  const tasks = yield* selectTasks({ stack: "big" })
  const gather = new Gather()
  const outcomes = yield* paced(
    tasks.map((task, number) => ({ task, number })),
    { parallel: { _tag: "Count", count: 32 }, delay: Duration.zero },
    {
      run: ({ number, task }) =>
        Effect.gen(function* () {
          yield* Effect.yieldNow
          const own = number % 10 === 0 ? `only ${number}\n` : "all is well\n"
          gather.push({ _tag: "Stdout", task, data: Buffer.from(own.repeat(100)) })
          const result = { _tag: "Exited", code: number % 100 === 0 ? 1 : 0 } as const
          gather.push({ _tag: "Ended", task, result })
          return { task, result } satisfies TaskOutcome
        }),
      isFailure: ({ result }) => result.code !== 0,
      onSkipped: ({ task }) => Effect.succeed({ task, result: { _tag: "Exited", code: 1 } as const })
    }
  )
  const groups = gather.groups.length
  const summary = summarize(outcomes)
  return { tasks: tasks.length, groups, summary, seconds: (performance.now() - began) / 1000 }
})

const [role, socket = "", size = ""] = process.argv.slice(2)

if (role === "serve") serve(socket, Number(size))
else {
  const engine = Swarm.layerFor({ _tag: "Unix", path: socket })
  const { groups, seconds, tasks } = await Effect.runPromise(Effect.provide(fanOut, engine))
  // getrusage includes the peak of the process that started this one.
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024
  console.log(JSON.stringify({ tasks, nodes: tasks / tasksPerNode, groups, seconds, peak } satisfies SimulatedFanOut))
}
