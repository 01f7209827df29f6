/** The rules for workflow jobs that could leak a token. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const folder = join(import.meta.dirname, "..", "..", ".github", "workflows")
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }))

/** The text of each job: the indented lines below its name. */
const jobsOf = (text: string): ReadonlyArray<readonly [name: string, job: string]> => {
  const [, jobs = ""] = text.split(/^jobs:\n/m)
  const parts = jobs.split(/^ {2}([\w-]+):\n/m)
  return parts.flatMap((name, at) => (at % 2 === 1 ? [[name, parts[at + 1] ?? ""] as const] : []))
}

const withoutComments = (text: string): string => text.replace(/^\s*#.*$/gm, "")

/** Commands that run code of this repository or of its dependencies. */
const runsCode =
  /actions\/checkout@|\bnpm (?:ci|install|i|run|test|exec|pack|rebuild)\b|\bnpx\b|\bnode (?!-version)|\byarn\b|\bpnpm\b|\bcurl\b/

describe("workflows", () => {
  for (const { name, text } of workflows) {
    it(`${name}: pins every action to a commit, and names its version`, () => {
      const uses = text.match(/\buses:.*/g) ?? []
      assert.isNotEmpty(uses)
      for (const use of uses) assert.match(use, /^uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    })

    it(`${name}: grants only read access, and no checkout keeps the token`, () => {
      const [head = ""] = text.split(/^jobs:/m)
      assert.match(head, /^permissions:\n {2}contents: read\n/m)
      assert.notMatch(head, /: write|write-all/)
      for (const [, after = ""] of text.matchAll(/uses: actions\/checkout@.*\n((?: {8,}.*\n)*)/g)) {
        assert.include(after, "persist-credentials: false")
      }
    })

    it(`${name}: jobs with a token run no code of the repository or of packages`, () => {
      const jobs = jobsOf(text)
      assert.isNotEmpty(jobs)
      for (const [job, content] of jobs) {
        const steps = withoutComments(content)
        if (!/: write\b|write-all|secrets\./.test(steps)) continue
        assert.notMatch(steps, runsCode, job)
        for (const publish of steps.match(/npm publish.*/g) ?? []) {
          assert.match(publish, /--ignore-scripts .*\.tgz$/, job)
        }
      }
    })
  }

  it("the release builds in a job without a token", () => {
    const jobs = jobsOf(workflows.find(({ name }) => name === "release.yml")?.text ?? "")
    assert.deepStrictEqual(
      jobs.map(([name, job]) => [name, /: write\b/.test(withoutComments(job))]),
      [
        ["build", false],
        ["image", false],
        ["push", true],
        ["npm", true],
        ["executables", true]
      ]
    )
  })
})
