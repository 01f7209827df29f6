/** `swarm-exec completion SHELL`: what makes a shell complete the command lines of `task-exec`, as `Complete.ts` answers. */
import * as Effect from "effect/Effect"
import { exitCodes } from "../command/ExitCode.ts"
import { writeText } from "../Output.ts"

/** bash takes `=`, `:` and `@` for ends of words, and wants what comes after the last one only. */
const bash = `# bash completion for task-exec:  source <(swarm-exec completion bash)
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
# zsh completion for task-exec:  source <(swarm-exec completion zsh)
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

const fish = `# fish completion for task-exec:  swarm-exec completion fish | source
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

/** The text that `--help` prints. */
export const help = `Usage: swarm-exec completion bash|zsh|fish

Print what makes that shell complete the command lines of task-exec: flags and
their values, services, tasks and nodes as they are now.

  source <(swarm-exec completion bash)      in ~/.bashrc; zsh: in ~/.zshrc
  swarm-exec completion fish | source       in ~/.config/fish/config.fish
`

/** Runs the command line, and gives the exit code. */
export const completionCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const say = (fd: number, text: string, code: number) => Effect.as(Effect.ignore(writeText(fd, text)), code)
  const [shell = ""] = argv
  if (argv.includes("--help") || argv.includes("-h")) return say(1, help, 0)
  const script = argv.length === 1 ? scripts.get(shell) : undefined
  return script === undefined
    ? say(2, `swarm-exec completion: which shell? One of ${[...scripts.keys()].join(", ")}\n`, exitCodes.usage)
    : say(1, script, 0)
}
