import { assert, describe, it } from "@effect/vitest"
import { type EndSignal, endTimeout, SignalEscalation } from "../../../adapters/SignalEscalation.ts"
import { type Belonging, Inventory, type RunningCommand } from "../../../src/engine/Inventory.ts"

const service: Belonging = { kind: "service", name: "task-exec-abc", runId: "abc" }
const command: RunningCommand = { runId: "abc", kind: "command", where: "web.2 on node-2", grace: 10_000 }

/** A program with this inventory, and a clock that the test moves. */
const setUp = (inventory: Inventory) => {
  const actions: Array<string> = []
  const timers: Array<{ readonly at: number; readonly act: () => void }> = []
  let now = 0
  const escalation = new SignalEscalation({
    inventory,
    deliver: (signal) => void actions.push(`deliver ${signal}`),
    report: (text) => void actions.push(text),
    exit: (code) => void actions.push(`exit ${code}`),
    after: (millis, act) => void timers.push({ at: now + millis, act })
  })
  const advance = (millis: number) => {
    const before = now
    now += millis
    for (const { act, at } of timers) if (at > before && at <= now) act()
  }
  const receive = (signal: EndSignal) => escalation.receive(signal)
  return { actions, advance, receive, escalation }
}

const atWork = () => {
  const inventory = new Inventory()
  inventory.add(service)
  inventory.started(command)
  return inventory
}

describe("SignalEscalation", () => {
  it("ends, kills, then exits, and reports each time what it waits for", () => {
    const { actions, escalation, advance, receive } = setUp(atWork())
    assert.isUndefined(escalation.exitCode)
    receive("SIGINT")
    advance(2000)
    receive("SIGINT")
    advance(2000)
    receive("SIGINT")
    assert.deepStrictEqual(actions, [
      "deliver SIGINT",
      "SIGINT: waiting for the command in web.2 on node-2 to end (a second signal kills, a third one exits at once)",
      "deliver SIGINT",
      "SIGINT again: killing, and waiting for the command in web.2 on node-2 to end (the next signal exits at once)",
      "SIGINT: exiting at once; the command in web.2 on node-2 may still be running; service task-exec-abc may be left behind; " +
        "clean up with: task-exec gc --run abc",
      "exit 130"
    ])
  })

  it("an end within a moment prints nothing", () => {
    const { actions, advance, receive } = setUp(atWork())
    receive("SIGTERM")
    advance(900)
    assert.deepStrictEqual(actions, ["deliver SIGTERM"])
  })

  it("signals at the same time print one line", () => {
    const { actions, advance, receive } = setUp(atWork())
    receive("SIGHUP")
    receive("SIGTERM")
    advance(1000)
    assert.strictEqual(actions.length, 3)
    assert.match(actions[2] ?? "", /^SIGTERM again/)
  })

  it("the first one decides the exit code", () => {
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129]
    ] as const) {
      const { actions, receive } = setUp(new Inventory())
      receive(signal)
      receive("SIGINT")
      receive("SIGINT")
      assert.deepStrictEqual(actions.slice(-2), ["SIGINT: exiting at once", `exit ${code}`])
    }
  })

  it("a single signal ends the process after the grace period and a fixed time", () => {
    const { actions, advance, receive } = setUp(atWork())
    receive("SIGTERM")
    advance(command.grace + endTimeout - 1)
    assert.notInclude(actions, "exit 143")
    advance(1)
    assert.include(actions, "exit 143")
  })

  it("objects and many commands take one line", () => {
    const objects = new Inventory()
    objects.add(service)
    const removing = setUp(objects)
    removing.receive("SIGINT")
    removing.advance(1000)
    assert.match(removing.actions[1] ?? "", /waiting for the engine to remove service task-exec-abc \(/)

    const many = new Inventory()
    for (let slot = 1; slot <= 12; slot++) many.started({ ...command, where: `web.${slot}` })
    const fleet = setUp(many)
    fleet.receive("SIGINT")
    fleet.advance(1000)
    assert.match(fleet.actions[1] ?? "", /the commands in web\.1, web\.2, web\.3, web\.4, web\.5 and 7 more to end \(/)
  })

  it("names a forwarding and the command of a toolbox as such", () => {
    const waitsFor = (...commands: ReadonlyArray<RunningCommand>) => {
      const inventory = new Inventory()
      for (const one of commands) inventory.started(one)
      const { actions, advance, receive } = setUp(inventory)
      receive("SIGINT")
      advance(1000)
      return /waiting for (.*) to end \(/.exec(actions[1] ?? "")?.[1]
    }
    const forwarding: RunningCommand = { ...command, kind: "forwarding" }
    const toolbox: RunningCommand = { ...command, kind: "toolbox" }
    assert.deepStrictEqual(
      [waitsFor(forwarding), waitsFor(toolbox), waitsFor(command, forwarding)],
      [
        "the port forwarding to web.2 on node-2",
        "the command in the toolbox of web.2 on node-2",
        "the command in web.2 on node-2 and the port forwarding to web.2 on node-2"
      ]
    )
  })
})
