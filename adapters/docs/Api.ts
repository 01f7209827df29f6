/** `docs/api/`: the exports of the package, from the declarations of the build. One page per folder of `src/`. */
import { type Declared, type Module, readEntry } from "./Declarations.ts"

/** An entry of the package, the module that declares it, and the page of the exports that are not in a folder of `src/`. */
const entries = [
  { name: "task-exec", module: "index", root: "task-exec" },
  { name: "task-exec/promise", module: "promise", root: "promise" },
  { name: "task-exec/filesystem", module: "filesystem", root: "filesystem" },
  { name: "task-exec/process", module: "process", root: "process" },
  { name: "task-exec/testing", module: "testing", root: "testing" }
] as const

/** What each page is about, for the index. */
const summaries: Readonly<Record<string, string>> = {
  "task-exec": "The service `TaskExec`, its events, sessions, stages and results",
  agent: "Deploying, listing and removing agents",
  audit: "Audit records of runs and copies",
  converge: "Waiting until services have converged",
  forward: "Forwarded ports",
  copy: "Copying files between a task and the caller",
  engine: "The Docker API: engines, swarms, addresses and their errors",
  executor: "Commands on a node: events, signals, terminal sizes and errors",
  filesystem: "Effect's `FileSystem` over the files of a task",
  fleet: "One command in many tasks: selection, pacing, events",
  helper: "The helper's image, and the errors of helpers",
  oneoff: "Errors of one-off tasks",
  policy: "What may run in a task",
  process: "Effect's `ChildProcess` in the tasks of a swarm",
  promise: "The library without Effect: promises and async iterators",
  protocol: "Errors of the connection to a helper or an agent",
  request: "What a caller can ask for",
  sweep: "Finding and removing leftovers",
  target: "From names to tasks: grammar, lookup, waiting",
  testing: "The service without a swarm, for tests of your own code"
}

/** A page of the API: the modules of one folder, as one entry exports them. */
interface Page {
  readonly name: string
  readonly entry: string
  readonly modules: ReadonlyArray<Module>
}

/** The pages, by the names of their files in the project's folder. `folder` has the declarations of the library. */
export const api = (folder: string): ReadonlyMap<string, string> => {
  const pages = entries.flatMap(({ module, name, root }) =>
    [...Map.groupBy(readEntry(folder, module), ({ path }) => /^(\w+)\//.exec(path)?.[1] ?? root)]
      .map(([page, modules]): Page => ({ name: page, entry: name, modules }))
      .sort((a, b) => Number(b.name === root) - Number(a.name === root) || a.name.localeCompare(b.name))
  )
  return new Map([
    ["docs/api/README.md", index(pages)],
    ...pages.map((page) => {
      const links = new Map(pages.filter(({ entry }) => entry === page.entry).flatMap((one) => [...linksTo(one)]))
      return [`docs/api/${page.name}.md`, pageText(page, links)] as const
    })
  ])
}

/** Links to the sections of a page, by the exports that they are about. Anchors are as GitHub makes them: in lower case, and numbered. */
const linksTo = (page: Page): ReadonlyMap<string, string> => {
  const names = namesOf(page)
  const anchor = (name: string, at: number) => {
    const before = names.slice(0, at).filter((one) => one.toLowerCase() === name.toLowerCase()).length
    return before === 0 ? name.toLowerCase() : `${name.toLowerCase()}-${before}`
  }
  return new Map(names.map((name, at) => [name, `[\`${name}\`](${page.name}.md#${anchor(name, at)})`]))
}

const namesOf = ({ modules }: Page): ReadonlyArray<string> => [
  ...new Set(modules.flatMap(({ exports }) => exports.map(({ name }) => name)))
]

const generated = "<!-- Made by `npm run docs` from the library's own docs. -->"

const index = (pages: ReadonlyArray<Page>): string =>
  text([
    "# API",
    generated,
    "Every export of the package. [Library](../library.md) explains how to use them.",
    ...[...Map.groupBy(pages, ({ entry }) => entry)].flatMap(([entry, own]) => [
      `## ${entry}`,
      [
        "| page | about | exports |",
        "|---|---|---|",
        ...own.map(
          (page) =>
            `| [${page.name}](${page.name}.md) | ${summaries[page.name] ?? ""} | ${[...linksTo(page).values()].join(", ")} |`
        )
      ].join("\n")
    ])
  ])

const pageText = ({ entry, modules, name }: Page, links: ReadonlyMap<string, string>): string =>
  text([
    `# API: ${name}`,
    generated,
    `${summaries[name] ?? ""}. Import these names from \`${entry}\`. [All pages](README.md)`,
    ...modules.flatMap(({ exports, path }) => [
      `## src/${path}.ts`,
      ...[...Map.groupBy(exports, (one) => one.name)].flatMap(([one, all]) => section(one, all, links))
    ])
  ])

const section = (
  name: string,
  all: ReadonlyArray<Declared>,
  links: ReadonlyMap<string, string>
): ReadonlyArray<string> => {
  const docs = [...new Set(all.map((one) => prose(one.docs, links)))].filter((one) => one !== "")
  return [`### ${name}`, ...docs, `\`\`\`\n${all.map(({ code }) => code).join("\n")}\n\`\`\``]
}

/** Links to another export lead to its section. An example is a block of its own. Categories and versions are for editors. */
const prose = (docs: string, links: ReadonlyMap<string, string>): string =>
  docs
    .replace(/\{@link (\w+)\}/g, (_, name: string) => links.get(name) ?? `\`${name}\``)
    .replace(/^@example\n/gm, "")
    .replace(/^@(?:category|since) .*$/gm, "")
    .trim()

const text = (parts: ReadonlyArray<string>): string => `${parts.join("\n\n")}\n`
