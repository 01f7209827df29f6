import { assert, describe, it } from "@effect/vitest"
import { type EndSignal, endTimeout, SignalOrder } from "../../../adapters/SignalOrder.ts"
import { type Belonging, Inventory } from "../../../src/engine/Inventory.ts"

const service: Belonging = { kind: "service", name: "task-exec-abc", runId: "abc" }
const command = { runId: "abc", where: "web.2 on node-2", grace: 10_000 }

/** A program with this inventory, and a clock that the test moves. */
const setUp = (inventory: Inventory) => {
  const happened: Array<string> = []
  const timers: Array<{ readonly at: number; readonly act: () => void }> = []
  let now = 0
  const order = new SignalOrder({
    inventory,
    deliver: (signal) => void happened.push(`deliver ${signal}`),
    tell: (text) => void happened.push(text),
    leave: (code) => void happened.push(`leave ${code}`),
    after: (millis, act) => void timers.push({ at: now + millis, act })
  })
  const pass = (millis: number) => {
    const before = now
    now += millis
    for (const { act, at } of timers) if (at > before && at <= now) act()
  }
  const receive = (signal: EndSignal) => order.receive(signal)
  return { happened, pass, receive, order }
}

const atWork = () => {
  const inventory = new Inventory()
  inventory.add(service)
  inventory.started(command)
  return inventory
}

describe("SignalOrder", () => {
  it("ends, kills, then leaves, and says each time what it waits for", () => {
    const { happened, order, pass, receive } = setUp(atWork())
    assert.isUndefined(order.exitCode)
    receive("SIGINT")
    pass(2000)
    receive("SIGINT")
    pass(2000)
    receive("SIGINT")
    assert.deepStrictEqual(happened, [
      "deliver SIGINT",
      "SIGINT: waiting for the command in web.2 on node-2 to end (a second signal kills, a third one exits at once)",
      "deliver SIGINT",
      "SIGINT again: killing, and waiting for the command in web.2 on node-2 to end (the next signal exits at once)",
      "SIGINT: exiting at once; the command in web.2 on node-2 may still be running; service task-exec-abc may be left behind; " +
        "clean up with: task-exec gc --run abc",
      "leave 130"
    ])
  })

  it("an end within a moment prints nothing", () => {
    const { happened, pass, receive } = setUp(atWork())
    receive("SIGTERM")
    pass(900)
    assert.deepStrictEqual(happened, ["deliver SIGTERM"])
  })

  it("signals at the same time print one line", () => {
    const { happened, pass, receive } = setUp(atWork())
    receive("SIGHUP")
    receive("SIGTERM")
    pass(1000)
    assert.strictEqual(happened.length, 3)
    assert.match(happened[2] ?? "", /^SIGTERM again/)
  })

  it("the first one decides the exit code", () => {
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129]
    ] as const) {
      const { happened, receive } = setUp(new Inventory())
      receive(signal)
      receive("SIGINT")
      receive("SIGINT")
      assert.deepStrictEqual(happened.slice(-2), ["SIGINT: exiting at once", `leave ${code}`])
    }
  })

  it("a single signal ends the process after the grace period and a fixed time", () => {
    const { happened, pass, receive } = setUp(atWork())
    receive("SIGTERM")
    pass(command.grace + endTimeout - 1)
    assert.notInclude(happened, "leave 143")
    pass(1)
    assert.include(happened, "leave 143")
  })

  it("objects and many commands take one line", () => {
    const objects = new Inventory()
    objects.add(service)
    const removing = setUp(objects)
    removing.receive("SIGINT")
    removing.pass(1000)
    assert.match(removing.happened[1] ?? "", /waiting for the engine to remove service task-exec-abc \(/)

    const many = new Inventory()
    for (let slot = 1; slot <= 12; slot++) many.started({ ...command, where: `web.${slot}` })
    const fleet = setUp(many)
    fleet.receive("SIGINT")
    fleet.pass(1000)
    assert.match(fleet.happened[1] ?? "", /the commands in web\.1, web\.2, web\.3, web\.4, web\.5 and 7 more to end \(/)
  })
})
