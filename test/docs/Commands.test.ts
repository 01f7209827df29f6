/**
 * Runs every command of README.md and docs/ as it is written, in services with the names that the pages use. Blocks of `sh` must succeed.
 * Blocks of `console` must print what they show.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { request } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, shell } from "../integration/Harness.ts"
import { openPty } from "../integration/Pty.ts"
import { commandsOf, isAsShown } from "./Console.ts"
import { type Block, blocksOf, pages } from "./Pages.ts"
import { programsIn } from "./Programs.ts"

checkLeftovers()

/** Creates the files that the commands use in the containers. */
const contents = `
  mkdir -p /srv /var/log/app
  echo 'app:x:1000:1000::/:/bin/sh' >> /etc/passwd
  echo started > /var/log/app/app.log
  httpd -p 8080 -h /var/log/app
  echo 'release 7' > /etc/release
  printf '#!/bin/sh\\necho "$0 $*"\\n' > /migrate
  chmod 755 /migrate
  for name in /bin/nginx /migrate-cache /cleanup; do cp /migrate $name; done
  echo ready
  exec sleep 1000000`

/** Places tasks so that most commands need no helper: slots 1 and 2 of web on the connected engine, slot 3 on node-3. */
const setUp = `
  docker node update --label-add zone=a node-1
  create() { docker service create --detach --endpoint-mode dnsrr --stop-signal KILL "$@" "$BUSYBOX" sh -c "$CONTENTS"; }
  create --name web --replicas 2 --constraint node.hostname==node-1
  create --name migrate --constraint node.hostname==node-1
  docker stack deploy -c shop.yaml shop
  docker create --name next "$BUSYBOX" && printf '#!/bin/sh\necho "$0 $*"\n' > next && chmod 755 next
  docker cp next next:/migrate && docker commit next shop:v2 && docker rm next`

const widen = `
  docker service update --detach --replicas 3 --constraint-rm node.hostname==node-1 --constraint-add node.hostname!=node-2 web`

/** Removes the services of the pages, too, in case a page failed before it removed them. */
const takeDown = `
  docker stack rm shop || :
  docker service rm web migrate hello || :
  docker rm -f next; docker rmi -f shop:v2 || :
  docker node update --label-rm zone node-1`

/** The commands deploy it, too, so it logs when it is ready. */
const stack = (image: string) => `
version: "3.8"
services:
  web:
    image: ${image}
    command: ["sh", "-c", ${JSON.stringify(contents.replaceAll("$", () => "$$"))}]
    healthcheck: { test: ["CMD", "test", "-x", "/cleanup"], interval: 1s }
    stop_signal: KILL
    deploy:
      endpoint_mode: dnsrr
      replicas: 2
      placement: { constraints: ["node.hostname==node-1"] }
`

/** A folder with the programs, and the environment of a user who has installed them. */
const install = Effect.gen(function* () {
  const { manager, registry } = yield* SwarmCluster
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-docs-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true }))
  )
  const bin = yield* Effect.promise(() => programsIn(folder))
  const busybox = `${registry}/busybox:1`
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    DOCKER_HOST: manager.dockerHost,
    DOCKER_CONFIG: join(folder, "docker"),
    BUSYBOX: busybox,
    CONTENTS: contents
  }
  /** Runs a block in the page's own folder. Returns its stdout and stderr in one text. */
  const run = Effect.fnUntraced(function* (page: string, script: string) {
    const work = join(folder, page.replace(/\W/g, "_"))
    yield* Effect.promise(async () => {
      await mkdir(work, { recursive: true })
      await writeFile(join(work, "shop.yaml"), stack(busybox))
    })
    return yield* shell(`unset -f task-exec swarm-exec; set -uo pipefail; cd '${work}'; { ${script}\n} 2>&1`, { env })
  })
  return { env, run }
})

/** Creates the services that the commands use. */
const services = Effect.gen(function* () {
  const { manager, nodes } = yield* SwarmCluster
  const { env, run } = yield* install
  const must = (script: string) =>
    Effect.flatMap(run("set-up", `set -e\n${script}`), ({ code, stdout }) =>
      code === 0 ? Effect.void : Effect.die(new Error(`set-up failed: ${stdout.toString()}`))
    )
  const gone = (kind: "networks" | "services") =>
    Effect.map(request(manager.socket, "GET", `/${kind}`), (all) => !/"Name":"(?:shop_|web"|migrate")/.test(`${all}`))
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      run("set-up", takeDown),
      Effect.forEach(["services", "networks"] as const, (kind) =>
        pollUntil(Effect.orDie(gone(kind)), { every: 100, atMost: 120_000, orElse: Effect.die(`${kind} are left`) })
      )
    )
  )
  yield* must(setUp)
  yield* waitRunning(manager.socket, "web", 2)
  yield* must(widen)
  yield* waitRunning(manager.socket, "shop_web", 2)
  for (const [name, count] of [
    ["web", 3],
    ["migrate", 1]
  ] as const) {
    // The files in the containers are checked, because an engine's log may lack a line forever.
    for (const { containerId, nodeId } of yield* waitRunning(manager.socket, name, count)) {
      const { socket } = nodes.find((node) => node.nodeId === nodeId) ?? manager
      const ready = Effect.map(
        execIn(socket, containerId, ["test", "-x", "/cleanup"]),
        ({ exitCode }) => exitCode === 0
      )
      yield* pollUntil(ready, { every: 200, atMost: 120_000, orElse: Effect.die(`${name} is not ready`) })
    }
  }
  return { env, run }
})

/** The timeout of the commands of a block. */
const blockTimeout = "300 seconds"

type Installed = Effect.Success<typeof services>

/** Runs a block. Returns what is wrong with it, if anything. */
const tryBlock = Effect.fnUntraced(function* ({ env, run }: Installed, { language, line, page, remark, text }: Block) {
  const where = `${page}:${line}`
  // `release`: Package.test.ts runs the block, with what a release has.
  if (remark === "release" || remark?.startsWith("skip") === true) return []
  if (remark === "terminal") {
    const pty = yield* openPty(["bash", "-c", text], { env })
    yield* pty.see(/# /)
    pty.type("exit\r")
    const { code, shown } = yield* pty.end
    return code === 0 ? [] : [`${where}: exit code ${code}: ${shown}`]
  }
  if (remark === "Ctrl-C" || remark === "follow") {
    const [sign, expected] = remark === "follow" ? ([/ready/, 130] as const) : ([/Forwarding from /, 0] as const)
    const pty = yield* openPty(["bash", "-c", `exec ${text}`], { env })
    yield* pty.see(sign)
    pty.type("\u0003")
    const { code, shown } = yield* pty.end
    return code === expected ? [] : [`${where}: exit code ${code}: ${shown}`]
  }
  if (language === "sh") {
    const { code, stdout } = yield* run(page, `set -e\n${text}`)
    return code === 0 ? [] : [`${where}: exit code ${code}: ${stdout.toString()}`]
  }
  const wrong: Array<string> = []
  for (const { command, output } of commandsOf(text)) {
    const { code, stdout } = yield* run(page, command)
    const written = stdout.toString()
    if (code !== 0 || !isAsShown(output, written)) wrong.push(`${where}: ${command}\nexit code ${code}\n${written}`)
  }
  return wrong
}, Effect.scoped)

/**
 * The blocks in sequences: those of one page, and those of all pages that deploy the stack. Pages that change the services of others run
 * after the others.
 */
const blocksOfPages = () => {
  const pagesOfBlocks = pages.map((page) =>
    blocksOf(page).filter(({ language }) => ["sh", "console"].includes(language))
  )
  const having = (text: string) => (page: ReadonlyArray<Block>) => page.some((block) => block.text.includes(text))
  const changes = having("service update")
  const deploys = having("stack deploy")
  const others = pagesOfBlocks.filter((page) => !changes(page))
  return {
    first: [others.filter(deploys).flat(), ...others.filter((page) => !deploys(page))],
    last: pagesOfBlocks.filter(changes).flat()
  }
}

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "600 seconds" })("the documentation", (it) => {
  it.effect(
    "shows what its commands print",
    () =>
      Effect.gen(function* () {
        const installed = yield* services
        const tried = (blocks: ReadonlyArray<Block>) =>
          Effect.forEach(blocks, (block) =>
            tryBlock(installed, block).pipe(
              Effect.timeoutOption(blockTimeout),
              Effect.map(Option.getOrElse(() => [`${block.page}:${block.line}: took longer than ${blockTimeout}`]))
            )
          )
        const { first, last } = blocksOfPages()
        const wrong = [...(yield* Effect.forEach(first, tried, { concurrency: 3 })), yield* tried(last)]
        assert.deepStrictEqual(wrong.flat(2), [])
      }),
    // Long enough for a busy machine.
    1_200_000
  )
})
