import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { denial, withCallerDefault } from "../../../src/policy/Permission.ts"
import type { Access } from "../../../src/policy/Policy.ts"
import { PolicyDenied } from "../../../src/policy/PolicyErrors.ts"
import { TaskPolicy } from "../../../src/policy/TaskPolicy.ts"

const container = "7485df53527871bc61dcae0c42d1db6b2daa55db7f14eb8cbdcb2e33f527b6df"
const names = { service: "web", task: "web.2", node: "node-3" }
const run: Access = { _tag: "Run", command: ["df", "-h"] }

/** Service label, container label, the defaults that deny, and the reason of the refusal. */
const table: ReadonlyArray<
  readonly [string | undefined, string | undefined, "Caller" | "Node" | undefined, PolicyDenied["stands"] | undefined]
> = [
  [undefined, undefined, undefined, undefined],
  [undefined, undefined, "Caller", "CallerDefault"],
  [undefined, undefined, "Node", "NodeDefault"],
  ["true", undefined, "Node", undefined],
  [undefined, "true", "Node", undefined],
  ["df", undefined, "Caller", undefined],
  ["false", undefined, undefined, "ServiceLabel"],
  ["sh", undefined, "Caller", "ServiceLabel"],
  [undefined, "false", undefined, "ContainerLabel"],
  [undefined, "sh", undefined, "ContainerLabel"],
  ["df", "true", undefined, undefined],
  ["true", "df", undefined, undefined],
  ["df", "sh", undefined, "ContainerLabel"],
  ["sh", "df", undefined, "ServiceLabel"],
  ["false", "false", "Node", "ServiceLabel"],
  ['"', "true", undefined, "ServiceLabel"],
  ["true", "[", undefined, "ContainerLabel"]
]

const known = (
  serviceAllow: string | undefined,
  containerAllow: string | undefined,
  denyDefault?: "Caller" | "Node"
): TaskPolicy => ({
  ...names,
  ...(serviceAllow === undefined ? {} : { serviceAllow }),
  ...(containerAllow === undefined ? {} : { containerAllow }),
  ...(denyDefault === undefined ? {} : { denyDefault })
})

describe("the permission of a command", () => {
  for (const [service, label, byDefault, stands] of table) {
    const facts = `service ${service}, container ${label}, default ${byDefault}`
    it(`${facts}: ${stands ?? "yes"}`, () =>
      assert.strictEqual(denial(container, known(service, label, byDefault), run)?.stands, stands))
  }

  const label = Arbitrary.schema(
    Schema.Union([Schema.Literals(["true", "false", "df", "sh,df", "df -h", "sh", "cp", "*", '["df"]']), Schema.String])
  )
  const wish = Arbitrary.schema(Schema.Literals(["df", "sh", "copy"]))
  it.prop("the stricter of two labels counts", [label, label, wish], ([one, other, wanted]) => {
    const what: Access = wanted === "copy" ? { _tag: "Copy" } : { _tag: "Run", command: [wanted] }
    const isDenied = (facts: TaskPolicy) => denial(container, facts, what) !== undefined
    assert.strictEqual(
      isDenied(known(one, other)),
      isDenied(known(one, undefined)) || isDenied(known(undefined, other))
    )
  })

  it.prop("a label of the image can deny a command, but not allow it", [label, wish], ([text, wanted]) => {
    const what: Access = wanted === "copy" ? { _tag: "Copy" } : { _tag: "Run", command: [wanted] }
    const ofImage = (facts: TaskPolicy) => denial(container, facts, what, true)?.stands
    assert.strictEqual(ofImage(known(undefined, text)), denial(container, known(undefined, text), what)?.stands)
    assert.isDefined(ofImage(known(undefined, text, "Caller")))
    assert.strictEqual(
      ofImage(known("true", text, "Node")),
      denial(container, known("true", text, "Node"), what)?.stands
    )
  })

  it("the caller's default adds to the node's", () => {
    assert.deepStrictEqual(withCallerDefault(names, false), names)
    assert.deepStrictEqual(withCallerDefault(names, true), { ...names, denyDefault: "Caller" })
    assert.strictEqual(withCallerDefault({ denyDefault: "Node" }, true).denyDefault, "Node")
    assert.strictEqual(withCallerDefault({ denyDefault: "Node" }, false).denyDefault, "Node")
  })
})

describe("a refusal", () => {
  const said = (facts: TaskPolicy, wish: Access = run) => denial(container, facts, wish)?.message

  it("has command, task, reason and next step", () => {
    assert.strictEqual(
      said(known("nginx, sh", undefined)),
      'cannot run "df" in web.2 on node node-3: the label task-exec.allow of service web is "nginx, sh". ' +
        "To change it: docker service update --label-add task-exec.allow=… web"
    )
    assert.strictEqual(
      said(known(undefined, "it's")),
      'cannot run "df" in web.2 on node node-3: the label task-exec.allow of the container is "it\'s", which is ' +
        "invalid (' is only allowed in a JSON list). To change it with new tasks: docker service update --container-label-add task-exec.allow=… web"
    )
    assert.strictEqual(
      said(known("false", undefined), { _tag: "Copy" }),
      'cannot copy files in web.2 on node node-3: the label task-exec.allow of service web is "false". ' +
        "To change it: docker service update --label-add task-exec.allow=… web"
    )
    assert.strictEqual(
      said(known(undefined, undefined, "Caller")),
      'cannot run "df" in web.2 on node node-3: the label task-exec.allow is missing, and TASK_EXEC_DENY_DEFAULT requires ' +
        "one. To allow it: docker service update --label-add task-exec.allow=… web"
    )
    assert.strictEqual(
      said(known(undefined, undefined, "Node")),
      'cannot run "df" in web.2 on node node-3: the label task-exec.allow is missing, and the label ' +
        "task-exec.deny-default of node node-3 requires one. To allow it: docker service update " +
        "--label-add task-exec.allow=… web"
    )
    assert.strictEqual(
      said({ containerAllow: "false" }),
      'cannot run "df" in container 7485df535278: the label task-exec.allow of the container is "false". ' +
        "To allow it, create the container with the label task-exec.allow."
    )
  })

  it.prop(
    "is one line of a bounded length, whatever the label and the command are",
    [Arbitrary.schema(Schema.String), Arbitrary.schema(Schema.Literals(["\n\u001b[2J", "x".repeat(5000), "é"]))],
    ([text, odd]) => {
      const message = said(known("false", undefined), { _tag: "Run", command: [`${text}${odd}`] }) ?? ""
      const other = said(known(`${odd}${text}*`, undefined)) ?? ""
      for (const line of [message, other]) {
        assert.notMatch(line, /[\u0000-\u001f]/)
        assert.isBelow(line.length, 2500)
      }
      assert.notStrictEqual(message, "")
    }
  )

  it("is decoded as it was encoded", () => {
    for (const [service, label, byDefault] of table) {
      const facts = known(service, label, byDefault)
      assert.deepStrictEqual(Schema.decodeUnknownSync(TaskPolicy)(JSON.parse(JSON.stringify(facts))), facts)
      const error = denial(container, facts, run)
      if (error === undefined) continue
      const sent: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(PolicyDenied)(error)))
      assert.strictEqual(Schema.decodeUnknownSync(PolicyDenied)(sent).message, error.message)
    }
  })
})
