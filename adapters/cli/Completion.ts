/** `task-exec completion SHELL`: prints the script with which a shell asks `Complete.ts` for candidates. */
import * as Effect from "effect/Effect"
import { helpFlag } from "../command/CommonFlags.ts"
import type { Flags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { noOperands, runPlain } from "../command/Subcommand.ts"
import { oneOf, UsageError } from "../command/Usage.ts"
import { writeText } from "../Output.ts"

/** bash splits words at `=`, `:` and `@`, and expects candidates for the part after the last one. */
const bash = `# bash completion for task-exec:  source <(task-exec completion bash)
_task_exec() {
  local line=\${COMP_LINE:0:COMP_POINT} last kept one
  local -a words found
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  last=\${words[\${#words[@]}-1]}
  mapfile -t found < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  if [[ \${found[\${#found[@]}-1]-} == :0 ]]; then compopt -o default; return; fi
  kept=\${last%"\${last##*[=:@]}"}
  for one in "\${found[@]}"; do
    one=\${one%%$'\\t'*}
    [[ $one == :* ]] || COMPREPLY+=("\${one#"$kept"}")
  done
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _task_exec task-exec
`

const zsh = `#compdef task-exec
# zsh completion for task-exec:  source <(task-exec completion zsh)
_task_exec() {
  local -a found shown
  local one
  found=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ \${found[-1]} == :0 ]]; then _files; return; fi
  for one in "\${found[@]}"; do
    [[ $one == :* ]] || shown+=("\${\${one//:/\\\\:}/$'\\t'/:}")
  done
  _describe 'task-exec' shown
}
(( $+functions[compdef] )) && compdef _task_exec task-exec
`

const fish = `# fish completion for task-exec:  task-exec completion fish | source
function __task_exec_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if test "$found[-1]" = ":0"
        __fish_complete_path (commandline -ct)
        return
    end
    string match -rv '^:' -- $found
end
complete -c task-exec -f -a '(__task_exec_complete)'
`

const scripts: ReadonlyMap<string, string> = new Map([
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish]
])

const flags = { ...helpFlag } as const satisfies Flags

/** The help of the verb. */
export const help: CommandHelp = {
  usage: ["bash|zsh|fish"],
  about: ["Print a completion script for a shell. It completes verbs, options, services, tasks and nodes."],
  flags,
  after: [],
  examples: [
    { term: "source <(task-exec completion bash)", about: "bash: in ~/.bashrc" },
    { term: "source <(task-exec completion zsh)", about: "zsh: in ~/.zshrc" },
    { term: "task-exec completion fish | source", about: "fish: in ~/.config/fish/config.fish" }
  ]
}

/** Runs a command line and returns its exit code. */
export const completionCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runPlain({ program, name: "completion", help, flags, argv }, ([shell = "", ...more]) => {
    const script = scripts.get(shell)
    if (more.length > 0) return noOperands(more)
    return script === undefined
      ? Effect.fail(
          new UsageError({
            detail: `${shell === "" ? "SHELL is missing" : `unknown shell ${JSON.stringify(shell)}`}: expected ${oneOf([...scripts.keys()])}`
          })
        )
      : Effect.ignore(writeText(1, script))
  })
