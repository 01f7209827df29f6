import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Directory, fileSystemContract } from "../../contract/FileSystemContract.ts"

const temporary = Layer.effect(
  Directory,
  FileSystem.use((fs) => Effect.map(fs.makeTempDirectoryScoped(), (path) => ({ path })))
)

layer(Layer.provideMerge(temporary, NodeFileSystem.layer), { concurrent: true, excludeTestServices: true })(
  "the file system of Effect for Node keeps the contract",
  (it) => {
    for (const { check, name } of fileSystemContract) it.effect(name, () => check)
  }
)
