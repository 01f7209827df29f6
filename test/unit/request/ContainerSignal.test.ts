import { constants } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { containerSignal, containerSignals } from "../../../src/request/ContainerSignal.ts"

describe("the signals of containers", () => {
  it("knows every signal of this machine by its name and its number", () => {
    for (const [name, number] of Object.entries(constants.signals)) {
      // UNUSED and similar names are aliases of a number.
      const known = containerSignal(`${number}`)
      assert.isDefined(known, name)
      if (Object.values(constants.signals).filter((one) => one === number).length > 1) continue
      assert.deepStrictEqual([name, known], [name, name])
      assert.strictEqual(containerSignal(name), name)
      assert.strictEqual(containerSignal(name.slice(3).toLowerCase()), name)
    }
    for (const name of containerSignals) assert.strictEqual(containerSignal(name), `SIG${name}`)
  })

  it.each([
    ["SIGIOT", "SIGABRT"],
    ["6", "SIGABRT"],
    ["CLD", "SIGCHLD"],
    ["POLL", "SIGIO"],
    ["34", "SIGRTMIN"],
    ["rtmin+3", "SIGRTMIN+3"],
    ["49", "SIGRTMIN+15"],
    ["50", "SIGRTMAX-14"],
    ["SIGRTMAX", "SIGRTMAX"],
    ["64", "SIGRTMAX"],
    ["RTMIN+30", "SIGRTMAX"]
  ])("%s is %s", (text, name) => {
    assert.strictEqual(containerSignal(text), name)
  })

  it.each([
    "",
    "0",
    "32",
    "33",
    "65",
    "-1",
    "HUPP",
    "SIG",
    "SIGSIGHUP",
    "RTMIN-1",
    "RTMAX+1",
    "RTMIN+31",
    "1.5",
    "toString"
  ])("refuses %j", (text) => {
    assert.strictEqual(containerSignal(text), undefined)
  })
})
