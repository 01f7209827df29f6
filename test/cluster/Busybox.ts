/** The test image: Debian's static busybox with all of its applets as links, `REGISTRY/busybox:1`. */

import { copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { run } from "./Command.ts"
import { importImage, pushImage } from "./Images.ts"

const files: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
  "etc/group": "root:x:0:\nnogroup:x:65534:\n"
}

const changes = ["ENV PATH=/bin:/sbin:/usr/bin:/usr/sbin", "WORKDIR /", 'CMD ["sh"]']

/** Writes the root file system to a folder. */
const layOut = Effect.fnUntraced(function* (root: string) {
  const applets = (yield* run("busybox", ["--list-full"])).split("\n").filter((path) => path !== "")
  yield* Effect.promise(async () => {
    const folders = new Set(["bin", "etc", "root", "tmp", "proc", "sys", "dev", ...applets.map(dirname)])
    for (const folder of folders)
      await mkdir(join(root, folder), { recursive: true, mode: folder === "tmp" ? 0o1777 : 0o755 })
    await copyFile("/bin/busybox", join(root, "bin/busybox"))
    await Promise.all(
      applets.filter((path) => path !== "bin/busybox").map((path) => symlink("/bin/busybox", join(root, path)))
    )
    await Promise.all(Object.entries(files).map(([path, text]) => writeFile(join(root, path), text)))
  })
})

/** Writes the root file system as a tar file to the cluster's folder. */
export const makeBusyboxTar = Effect.fn("Busybox.makeTar")(function* (clusterDir: string) {
  const root = join(clusterDir, "busybox")
  const tar = join(clusterDir, "busybox.tar")
  yield* layOut(root)
  yield* run("tar", ["--create", "--file", tar, "--owner=0", "--group=0", "--numeric-owner", "--directory", root, "."])
  yield* Effect.promise(() => rm(root, { recursive: true }))
  return tar
})

/** Imports the test image into an engine and pushes it to the registry. Returns its name. */
export const publishBusybox = Effect.fn("Busybox.publish")(function* (socket: string, registry: string, tar: string) {
  const ref = `${registry}/busybox:1`
  yield* importImage(socket, ref, tar, changes)
  yield* pushImage(socket, ref)
  return ref
})
