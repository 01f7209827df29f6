/** The built programs, as if they were installed. */
import { chmod, mkdir, symlink } from "node:fs/promises"
import { join } from "node:path"

const dist = join(import.meta.dirname, "..", "..", "dist")

/** Links the programs and this Node into a new folder `bin` in `folder`. Returns its path. */
export const programsIn = async (folder: string): Promise<string> => {
  const bin = join(folder, "bin")
  await mkdir(bin)
  await symlink(process.execPath, join(bin, "node"))
  for (const name of ["task-exec", "swarm-exec"]) {
    await chmod(join(dist, `${name}.cjs`), 0o755)
    await symlink(join(dist, `${name}.cjs`), join(bin, name))
  }
  return bin
}
