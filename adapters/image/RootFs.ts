/**
 * A root file system that contains only Node and its shared libraries: no shell, no package manager, and no user except root. It consists of
 * files of this machine, so making it needs no registry and no docker CLI.
 */
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Elf, parseElf, withoutSymbols } from "./Elf.ts"

/** A shared library that Node needs does not exist in the usual folders. */
export class LibraryMissing extends Schema.TaggedError<LibraryMissing>()("LibraryMissing", {
  library: Schema.String,
  /** The searched folders. */
  folders: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `cannot assemble a base image: this machine's Node needs ${this.library}, which is not in ${this.folders.join(", ")}. Name a base image with --base`
  }
}

/** Returns the contents of a file, or `undefined` if the file does not exist. */
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

/** Libraries that old C libraries load at the first name lookup. No program lists them. */
const openedByName = ["libnss_files.so.2", "libnss_dns.so.2"]

/** Returns the files that a program needs to start: its dynamic loader and all its shared libraries, by their paths on this machine. */
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
      // A linker script, or a library for another architecture.
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
      // The loop also visits the libraries that are added here.
      wanted.push(...file.value.needed)
    } else if (!openedByName.includes(library)) {
      return yield* new LibraryMissing({ library, folders })
    }
  }
  return found
})

/** Returns the entries of the file system for this Node. */
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
