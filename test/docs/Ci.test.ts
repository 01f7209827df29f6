/**
 * The job of docs/ci.md runs as it is written: task-exec comes from a registry with this package, and `manager-1.example`
 * is a node of the swarm with an SSH server and a user `deploy`.
 */
import { chmod, mkdir, readFile, rmdir, symlink, writeFile } from "node:fs/promises"
import { userInfo } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { request } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { openSsh } from "../cluster/Ssh.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, shell, temporaryFolder } from "../integration/Harness.ts"
import { npmRegistry } from "./NpmRegistry.ts"
import { blocksOf } from "./Pages.ts"
import { evaluate, type Step, workflowOf } from "./Workflow.ts"

checkLeftovers()

/** The stack of the repository that the job checks out. Its container needs a moment until it is healthy. */
const stack = (image: string) => `
version: "3.8"
services:
  web:
    image: ${image}
    command: ["sh", "-c", "printf '#!/bin/sh\\\\necho migrated on $$(hostname)\\\\n' > /migrate; chmod 755 /migrate; exec sleep 100000"]
    hostname: "{{.Service.Name}}-{{.Task.Slot}}"
    healthcheck: { test: ["CMD", "test", "-x", "/migrate"], interval: 1s }
    stop_signal: KILL
    deploy: { endpoint_mode: dnsrr, replicas: 2 }
`

const page = "docs/ci.md"

const jobOf = (workflow: ReturnType<typeof workflowOf>) => {
  const [job, ...others] = Object.values(workflow.jobs)
  if (job === undefined || others.length > 0) throw new Error(`${page} has not one job`)
  return job
}

/** Adds a user to the node, in the group that may use its engine. Removes the user with the scope. */
const deployer = (node: ClusterNode) =>
  Effect.acquireRelease(
    node.exec(["useradd", "--no-create-home", "--password", "*", "--groups", "docker", "--shell", "/bin/sh", "deploy"]),
    () => Effect.orDie(node.exec(["userdel", "deploy"]))
  )

/** The folder of the SSH client's files, which OpenSSH takes from the user database. Made for the scope if it is missing. */
const sshFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = join(userInfo().homedir, ".ssh")
    return { folder, isMade: (await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined }
  }),
  ({ folder, isMade }) => Effect.promise(async () => (isMade ? await rmdir(folder) : undefined))
)

/** The results of the actions in the job's `uses` steps. */
const actions: Readonly<Record<string, true>> = { "actions/checkout": true, "actions/setup-node": true }

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** A step as a runner starts it: `bash -e FILE`, with the job's variables and its own. */
const scriptOf = (step: Step, file: string, variables: Readonly<Record<string, string>>): string => {
  const env = Object.entries(variables).map(([name, value]) => quote(`${name}=${value}`))
  return `echo ${quote(`== ${step.name ?? step.run ?? ""}`)}\nenv ${env.join(" ")} bash -e ${quote(file)} || exit`
}

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "600 seconds" })(
  "the job of docs/ci.md",
  (it) => {
    it.effect(
      "installs task-exec, deploys, and migrates",
      () =>
        Effect.gen(function* () {
          const { manager, registry } = yield* SwarmCluster
          const [block] = blocksOf(page).filter(({ language }) => language === "yaml")
          const { env = {}, steps } = jobOf(workflowOf(block?.text ?? ""))

          const folder = yield* temporaryFolder("ci")
          // The SSH server reads the user's key as that user.
          yield* Effect.promise(() => chmod(folder, 0o755))
          yield* openSsh(folder, manager)
          yield* deployer(manager)
          const read = (file: string) => Effect.promise(() => readFile(join(folder, file), "utf8"))
          const values = {
            "secrets.DEPLOY_SSH_KEY": yield* read("key"),
            "vars.DEPLOY_KNOWN_HOSTS": `manager-1.example ${yield* read("host_key.pub")}`
          }

          const { folder: ssh } = yield* sshFolder
          const work = join(folder, "work")
          const bin = join(folder, "node", "bin")
          const hosts = join(folder, "hosts")
          yield* Effect.promise(async () => {
            await mkdir(work)
            await writeFile(join(work, "shop.yaml"), stack(`${registry}/busybox:1`))
            await mkdir(bin, { recursive: true })
            await symlink(process.execPath, join(bin, "node"))
            await writeFile(hosts, `127.0.0.1 localhost\n${manager.address} manager-1.example\n`)
          })
          const scripts = yield* Effect.forEach(steps, (step, at) =>
            Effect.promise(async () => {
              if (step.uses !== undefined) {
                assert.isTrue(actions[step.uses.replace(/@.*/, "")], `${step.uses} is not known here`)
                return ""
              }
              const file = join(folder, `step-${at}.sh`)
              await writeFile(file, evaluate(step.run ?? "", values))
              const own = Object.entries(step.env ?? {}).map(([name, value]) => [name, evaluate(value, values)])
              // The page's registry is an example: the helper's image is the swarm's.
              return scriptOf(step, file, {
                ...env,
                TASK_EXEC_IMAGE: process.env.TASK_EXEC_IMAGE ?? "",
                ...Object.fromEntries(own)
              })
            })
          )
          const network = Effect.map(
            request(manager.socket, "GET", "/networks"),
            (all) => !`${all}`.includes('"shop_default"')
          )
          yield* Effect.addFinalizer(() =>
            shell("docker stack rm shop", { env: { DOCKER_HOST: manager.dockerHost } }).pipe(
              Effect.andThen(
                pollUntil(Effect.orDie(network), {
                  every: 100,
                  atMost: 120_000,
                  orElse: Effect.die("shop's network is left")
                })
              )
            )
          )
          const npm = {
            npm_config_registry: yield* npmRegistry,
            npm_config_prefix: join(folder, "node"),
            npm_config_cache: join(folder, "npm"),
            npm_config_userconfig: "/dev/null",
            npm_config_noproxy: "127.0.0.1",
            npm_config_update_notifier: "false",
            npm_config_audit: "false",
            // ssh2 would compile an optional part if it found a compiler and the network.
            npm_config_ignore_scripts: "true"
          }
          // The runner has its own mount namespace with its SSH files and host names.
          const runner = `
          mount -t tmpfs -o mode=0700 tmpfs ${quote(ssh)}
          mount --bind ${quote(hosts)} /etc/hosts
          cd ${quote(work)}
          ${scripts.join("\n")}`
          const { code, stderr, stdout } = yield* shell(
            `unset -f task-exec swarm-exec; exec unshare --mount --propagation private bash -e -c ${quote(runner)}`,
            {
              env: {
                ...npm,
                PATH: `${bin}:${process.env.PATH}`,
                DOCKER_HOST: undefined,
                DOCKER_CONFIG: join(folder, "docker"),
                SSH_AUTH_SOCK: undefined
              }
            }
          )
          assert.strictEqual(code, 0, `${stdout.toString()}\n${stderr}`)
          assert.match(stdout.toString(), /== Migrate\nmigrated on shop_web-1\n$/)
        }),
      600_000
    )
  }
)
