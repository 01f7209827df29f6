import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { contract } from "../contract/TaskExecContract.ts"
import { checkLeftoversMeanwhile, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

layer(Library.pipe(Layer.provideMerge(Web.layer("contract"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "the service on a real swarm fulfills its contract",
  (it) => {
    for (const { check, command, name } of contract) {
      it.effect(name, () =>
        Effect.flatMap(Web, (web) => check({ service: web.name, target: web.target(web.local) }, command))
      )
    }
  }
)
