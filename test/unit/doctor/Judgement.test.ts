import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Check } from "../../../adapters/doctor/Check.ts"
import { colourOf, linesOf, summaryOf } from "../../../adapters/doctor/DoctorText.ts"
import { checkAvailability, judgePlatform, judgeTrial } from "../../../adapters/doctor/NodeChecks.ts"
import type { Greeted, Silent } from "../../../adapters/doctor/NodeTrials.ts"
import { checkManagers, checkRole, isOlder } from "../../../adapters/doctor/SwarmChecks.ts"
import { Info } from "../../../src/engine/EngineSchemas.ts"
import { Node } from "../../../src/engine/SwarmSchemas.ts"
import { unconfirmed } from "../../../src/executor/KillResult.ts"
import { HelperImageUnavailable, HelperRefused, UsernsRemapped } from "../../../src/helper/HelperErrors.ts"
import { version } from "../../../src/Version.ts"

interface Like {
  readonly state?: string
  readonly availability?: string
  readonly manager?: { readonly Leader?: boolean; readonly Reachability: string }
  readonly os?: string
  readonly architecture?: string
  readonly engine?: string
}

const node = (hostname: string, like: Like = {}) =>
  Schema.decodeUnknownSync(Node)({
    ID: `id-of-${hostname}`,
    Version: { Index: 1 },
    Spec: { Role: like.manager === undefined ? "worker" : "manager", Availability: like.availability ?? "active" },
    Description: {
      Hostname: hostname,
      Platform: { OS: like.os ?? "linux", Architecture: like.architecture ?? "x86_64" },
      Engine: { EngineVersion: like.engine ?? "28.5.2" }
    },
    Status: { State: like.state ?? "ready" },
    ...(like.manager === undefined ? {} : { ManagerStatus: like.manager })
  })

const reachable = { Reachability: "reachable" }
const leader = { Leader: true, Reachability: "reachable" }
const away = { Reachability: "unreachable" }

const said = ({ found, next, verdict }: Check) => [verdict, found, next].filter((text) => text !== undefined)

describe("the judgement of doctor", () => {
  it("of managers says how many can fail", () => {
    const of = (...managers: ReadonlyArray<Like["manager"]>) =>
      said(checkManagers([...managers.map((manager, at) => node(`node-${at + 1}`, manager && { manager })), node("w")]))
    assert.deepStrictEqual(of(leader), ["ok", "1 of 1 reachable, leader node-1"])
    assert.deepStrictEqual(of(reachable, leader, reachable), ["ok", "3 of 3 reachable, leader node-2"])
    const next = "start node-3 again, or promote a worker: docker node promote NODE"
    assert.deepStrictEqual(of(leader, reachable, away), [
      "warning",
      "2 of 3 reachable, leader node-1, not node-3; if one more fails, the swarm loses its quorum",
      next
    ])
    assert.deepStrictEqual(of(leader, reachable, away, reachable, reachable), [
      "warning",
      "4 of 5 reachable, leader node-1, not node-3",
      next
    ])
    assert.strictEqual(of(reachable, away, away)[0], "fails")
  })

  it("of the connected engine fails unless it is a manager, and says what to do", () => {
    const of = (Swarm: Record<string, unknown>) =>
      said(checkRole(Schema.decodeUnknownSync(Info)({ Name: "host", ServerVersion: "28.5.2", Swarm })))
    assert.deepStrictEqual(of({ LocalNodeState: "active", ControlAvailable: true }), ["ok", "host is a manager"])
    assert.deepStrictEqual(of({ LocalNodeState: "active", RemoteManagers: [{ Addr: "10.0.0.1:2377" }] }), [
      "fails",
      "host is a worker",
      "set DOCKER_HOST to a manager (known managers: 10.0.0.1)"
    ])
    assert.deepStrictEqual(
      ["inactive", "locked", "pending", "error"].map((LocalNodeState) => of({ LocalNodeState, Error: "why" })[1]),
      ["host is not part of a swarm", "host is a locked manager", "host is pending: why", "host is error: why"]
    )
  })

  it("of a node says whether Swarm starts a helper there", () => {
    const of = (like: Like) => said(checkAvailability(node("n", like))).slice(0, 2)
    assert.deepStrictEqual(of({}), ["ok", "ready, active, worker"])
    assert.deepStrictEqual(of({ state: "down" }), ["fails", "down, active, worker"])
    assert.deepStrictEqual(of({ availability: "pause", manager: leader }), ["fails", "ready, pause, manager"])
    assert.deepStrictEqual(of({ availability: "drain" }), ["fails", "ready, drain, worker"])
    assert.deepStrictEqual(of({ availability: "drain", manager: leader }), ["warning", "ready, drain, manager"])
    assert.strictEqual(of({ os: "windows" })[0], "warning")
  })

  it("of a node's platform accepts another one than the image's if a helper ran", () => {
    const amd64 = { Os: "linux", Architecture: "amd64" }
    const of = (like: Like, ran: boolean) => judgePlatform(node("n", like), amd64, ran).verdict
    assert.deepStrictEqual([of({}, false), of({ architecture: "aarch64" }, true)], ["ok", "ok"])
    assert.strictEqual(of({ architecture: "aarch64" }, false), "warning")
    assert.strictEqual(of({ engine: "19.03.15" }, true), "fails")
  })

  it("of versions compares them number by number", () => {
    const than = "20.10"
    assert.deepStrictEqual(
      ["20.10.24", "20.10.24+dfsg1", "28.5.2", "26.1.5-ce", "dev", ""].map((text) => isOlder(text, than)),
      [false, false, false, false, false, false]
    )
    assert.deepStrictEqual(
      ["19.03.15", "20.9", "18.09.1-ce"].map((text) => isOlder(text, than)),
      [true, true, true]
    )
    assert.isTrue(isOlder("1.40", "1.41"))
  })

  it("of a helper skips checks that depend on a failed one", () => {
    const of = (trial: Greeted | Silent) =>
      judgeTrial(node("n"), trial).map(({ check, verdict }) => `${check} ${verdict}`)
    const greeted = (result: Greeted["result"], said = version): Greeted => ({
      _tag: "Greeted",
      version: said,
      after: 1234,
      result
    })
    const killed = Result.succeed({ _tag: "Killed" } as const)
    assert.deepStrictEqual(of(greeted(killed)), ["helper ok", "version ok", "socket ok", "kill ok"])
    assert.strictEqual(of(greeted(killed, "0.0.9"))[1], "version warning")
    assert.strictEqual(of(greeted(Result.succeed(unconfirmed("no container"))))[3], "kill fails")
    const remapped = new UsernsRemapped({ node: "n", uid: 100_000 })
    assert.deepStrictEqual(of(greeted(Result.fail(remapped))), [
      "helper ok",
      "version ok",
      "socket fails",
      "kill skipped"
    ])
    const missing = new HelperImageUnavailable({ node: "n", image: "x", reason: "No such image" })
    assert.deepStrictEqual(of({ _tag: "Silent", error: missing }), [
      "helper fails",
      "version skipped",
      "socket skipped",
      "kill skipped"
    ])
    const refused = new HelperRefused({ node: "n", detail: "it speaks protocol 2" })
    assert.deepStrictEqual(of({ _tag: "Silent", error: refused }), [
      "helper ok",
      "version fails",
      "socket skipped",
      "kill skipped"
    ])
  })

  it("is printed with the next step below each finding, and without control characters", () => {
    const check: Check = {
      check: "node",
      node: { id: "x", hostname: "node-2" },
      verdict: "fails",
      found: "down\u001b[2J",
      next: "check it"
    }
    assert.strictEqual(linesOf(check), "fails    node       node-2: down\\x1b[2J\n                    check it")
    assert.deepStrictEqual(colourOf(check), { code: "31", length: "warning".length })
    const ok: Check = { check: "swarm", verdict: "ok", found: "x" }
    assert.strictEqual(summaryOf([ok, check, ok]), "3 checks: 2 ok, 1 fails")
  })
})
