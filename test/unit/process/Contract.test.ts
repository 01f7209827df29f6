import * as NodeServices from "@effect/platform-node/NodeServices"
import { layer } from "@effect/vitest"
import { processContract } from "../../contract/ProcessContract.ts"

layer(NodeServices.layer, { concurrent: true, excludeTestServices: true })(
  "the spawner of Effect for Node keeps the contract",
  (it) => {
    for (const { check, name } of processContract) it.effect(name, () => check)
  }
)
