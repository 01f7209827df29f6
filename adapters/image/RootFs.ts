/**
 * A root file system that holds Node and nothing else: no shell, no package manager, no users but root.
 *
 * It is made of the files of this machine, and needs neither a registry nor a Docker client. It is about half as
 * large as Debian's smallest with Node in it.
 */
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Elf, parseElf, withoutSymbols } from "./Elf.ts"

/** A shared library that Node wants is in none of the folders where it should be. */
export class LibraryMissing extends Schema.TaggedError<LibraryMissing>()("LibraryMissing", {
  library: Schema.String,
  /** Where we looked. */
  folders: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `cannot assemble a base image: this machine's Node needs ${this.library}, which is not in ${this.folders.join(", ")}. Name a base image with --base`
  }
}

/** Contents of a file of this machine; nothing, when there is no such file. */
export type ReadFile<E> = (path: string) => Effect.Effect<Option.Option<Uint8Array>, E>

const triplets: Readonly<Record<number, string>> = {
  21: "powerpc64le-linux-gnu",
  62: "x86_64-linux-gnu",
  183: "aarch64-linux-gnu",
  243: "riscv64-linux-gnu"
}

const libraryFolders = (machine: number): ReadonlyArray<string> => {
  const triplet = triplets[machine]
  const multiarch = triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`]
  return [...multiarch, "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"]
}

/** Older C libraries open these by themselves, the first time that a name is looked up. */
const openedByName = ["libnss_files.so.2", "libnss_dns.so.2"]

/**
 * Everything that must be in place for a program to start: its dynamic loader and its shared libraries, with theirs. By
 * path, as found on this machine.
 */
export const findLibraries = Effect.fn("RootFs.findLibraries")(function* <E>(program: Elf, readFile: ReadFile<E>) {
  const folders = libraryFolders(program.machine)
  const found = new Map<string, Uint8Array>()
  const seen = new Set<string>()

  const find = Effect.fnUntraced(function* (library: string) {
    for (const folder of folders) {
      const path = `${folder}/${library}`
      const bytes = yield* readFile(path)
      if (Option.isNone(bytes)) continue
      const elf = yield* Effect.fromResult(parseElf(bytes.value)).pipe(Effect.option)
      // Text that tells a linker where to go on, or a library for another kind of processor.
      if (Option.isNone(elf) || elf.value.machine !== program.machine) continue
      return Option.some({ path, bytes: bytes.value, needed: elf.value.needed })
    }
    return Option.none()
  })

  if (program.interpreter !== undefined) {
    const loader = yield* readFile(program.interpreter)
    if (Option.isNone(loader)) return yield* new LibraryMissing({ library: program.interpreter, folders: ["/"] })
    found.set(program.interpreter, loader.value)
    seen.add(program.interpreter.slice(program.interpreter.lastIndexOf("/") + 1))
  }
  const wanted = program.interpreter === undefined ? [] : [...program.needed, ...openedByName]
  for (const library of wanted) {
    if (seen.has(library)) continue
    seen.add(library)
    const file = yield* find(library)
    if (Option.isSome(file)) {
      found.set(file.value.path, file.value.bytes)
      // The loop goes on with what is added here.
      wanted.push(...file.value.needed)
    } else if (!openedByName.includes(library)) {
      return yield* new LibraryMissing({ library, folders })
    }
  }
  return found
})

/** What is in the file system around this Node. */
export const rootFsEntries = Effect.fn("RootFs.entries")(function* <E>(node: Uint8Array, readFile: ReadFile<E>) {
  const program = yield* Effect.fromResult(parseElf(node))
  const libraries = yield* findLibraries(program, readFile)
  return [
    Tar.directory("root/", { mode: 0o700 }),
    Tar.directory("tmp/", { mode: 0o1777 }),
    Tar.file("etc/group", "root:x:0:\n"),
    Tar.file("etc/nsswitch.conf", "hosts: files dns\n"),
    Tar.file("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n"),
    Tar.fileStream("usr/local/bin/node", program.loadedBytes, Stream.fromIterable(withoutSymbols(node, program)), {
      mode: 0o755
    }),
    ...Array.from(libraries, ([path, bytes]) => Tar.file(path.slice(1), bytes, { mode: 0o755 }))
  ]
})
