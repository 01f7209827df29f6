import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseTarget, type Target } from "../../../src/target/Target.ts"

const good: ReadonlyArray<readonly [string, Target]> = [
  ["web", { _tag: "Word", text: "web", word: "web" }],
  ["my_stack-web", { _tag: "Word", text: "my_stack-web", word: "my_stack-web" }],
  ["k3x8fz6gq1", { _tag: "Word", text: "k3x8fz6gq1", word: "k3x8fz6gq1" }],
  ["web.2", { _tag: "Service", text: "web.2", service: "web", slot: 2 }],
  [
    "web.x7u2gmggdhj85528r1nre2q2n",
    { _tag: "Service", text: "web.x7u2gmggdhj85528r1nre2q2n", service: "web", slotNode: "x7u2gmggdhj85528r1nre2q2n" }
  ],
  ["web@node-3", { _tag: "Service", text: "web@node-3", service: "web", node: "node-3" }],
  [
    "web@node-3.example.com",
    { _tag: "Service", text: "web@node-3.example.com", service: "web", node: "node-3.example.com" }
  ],
  ["web.2@node-3", { _tag: "Service", text: "web.2@node-3", service: "web", slot: 2, node: "node-3" }],
  ["service/web", { _tag: "Service", text: "service/web", service: "web" }],
  ["service/web.12", { _tag: "Service", text: "service/web.12", service: "web", slot: 12 }],
  ["task/k3x8", { _tag: "Task", text: "task/k3x8", id: "k3x8" }],
  ["container/web.1.abc", { _tag: "Container", text: "container/web.1.abc", container: "web.1.abc" }],
  [
    "web.2.kaxp6212el1m871tln3ppilms",
    { _tag: "Container", text: "web.2.kaxp6212el1m871tln3ppilms", container: "web.2.kaxp6212el1m871tln3ppilms" }
  ]
]

const bad: ReadonlyArray<readonly [string, RegExp]> = [
  ["", /empty/],
  ["service/", /empty/],
  ["pod/web", /unknown kind "pod"/],
  ["task/WEB", /task ID/],
  ["web@", /the node after @ is missing/],
  ["@node-1", /is not a service name/],
  ["web 2", /characters/],
  ["-it", /characters/],
  ["web.", /the slot after the dot is missing/],
  ["web..2", /"\.2" is not a slot number\. Use/],
  ["web.@node-1", /the slot after the dot is missing/],
  [".2", /is not a service name/],
  ["web.x", /"x" is not a slot number \(for the task on a node, use web@x\)\. Use/],
  ["web.node-3.example.com", /use web@node-3\.example\.com/],
  ["web.x7u2kq", /is not a slot number/],
  ["web.node 2", /"node 2" is not a slot number\. Use/],
  ["web@node-1@node-2", /is not a node name/],
  ["web.node-1@node-2", /"node-1" is not a slot number\. Use/],
  ["web.x7u2gmggdhj85528r1nre2q2n@node-2", /names two nodes: x7u2gmggdhj85528r1nre2q2n and node-2/],
  ["container/web", /hexadecimal digits.*SERVICE\.SLOT\.TASK/],
  ["container/abc", /hexadecimal digits/],
  ["container/web.1", /hexadecimal digits/],
  ["task/kaxp6212el1m871tln3ppilmsx", /at most 25/],
  ["../etc/passwd", /unknown kind/]
]

describe("Target", () => {
  it("parses each form", () => {
    for (const [text, target] of good) assert.deepStrictEqual(parseTarget(text), Result.succeed(target), text)
  })

  it("explains why a text is not a target", () => {
    for (const [text, reason] of bad) {
      const parsed = parseTarget(text)
      assert.isTrue(Result.isFailure(parsed), text)
      if (Result.isFailure(parsed)) assert.match(parsed.failure.message, reason, text)
    }
  })
})
