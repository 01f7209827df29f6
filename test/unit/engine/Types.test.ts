import { describe, it } from "@effect/vitest"
import type { DockerEngineShape } from "../../../src/engine/DockerEngine.ts"
import type { SwarmShape } from "../../../src/engine/Swarm.ts"

/** The compiler checks these functions; nothing calls them. */
const refused = {
  swarm: (swarm: SwarmShape) => [
    // @ts-expect-error: only one engine has a container.
    swarm.inspectContainer,
    // @ts-expect-error: only one engine has an exec.
    swarm.createExec,
    // @ts-expect-error: only one engine has the files of a container.
    swarm.getArchive,
    // @ts-expect-error: only one engine has an image.
    swarm.inspectImage
  ],
  engine: (engine: DockerEngineShape) => [
    // @ts-expect-error: a request about services goes to any manager.
    engine.createService,
    // @ts-expect-error: a request about tasks goes to any manager.
    engine.listTasks,
    // @ts-expect-error: one engine has no other engines.
    engine.endpoints,
    // @ts-expect-error: one engine is not chosen from several.
    engine.engine
  ]
}

describe("a swarm and one engine", () => {
  it("are two types, and neither has the requests of the other", () => {
    void refused
  })
})
