/**
 * What `task-exec` must do as `docker exec` does, as scripts for bash. In them `x` is the one or the other, `$T` the
 * container or the task, `$F` a file of 3 MB of random bytes here and `/tmp/parity` the same in the container; `$D` is a
 * folder of the script's own. A pipe fails with its last command that does.
 */

import type { Script } from "./Parity.ts"

/** One script. */
export interface ParityCase extends Script {
  readonly name: string
  /** The command does not start, which is worded otherwise: its code alone is compared, and is 126 with us. */
  readonly refused?: true
  /** What must come out where `docker exec` itself is not to be relied on, and why it is not. */
  readonly expected?: { readonly end: number; readonly stdout: string; readonly stderr: string }
  /** Also for a task on the connected engine. */
  readonly local?: true
  /** On another node also by a helper, and not only by an agent: what a tunnel carries, and when it is made. */
  readonly helper?: true
}

/** Pipes and files. */
export const piped: ReadonlyArray<ParityCase> = [
  {
    name: "the end of the input reaches the command",
    script: "printf 'c\\na\\nb\\n' | x -i $T sort",
    local: true,
    helper: true
  },
  {
    name: "an archive in",
    script: "tar c -C /etc passwd group | x -i $T sh -c 'mkdir -p /tmp/in && cd /tmp/in && tar x && sha256sum *'"
  },
  { name: "an archive out", script: "x -i $T tar c -C / etc </dev/null | tar xO etc/passwd" },
  { name: "empty input", script: "printf '' | x -i $T sh -c 'cat; echo end'" },
  { name: "/dev/null", script: "x -i $T sh -c 'cat; echo end' </dev/null", local: true },
  { name: "no stdin at all", script: "x -i $T sh -c 'cat; echo end' <&-" },
  { name: "a file", script: "x -i $T sha256sum < $F", local: true },
  {
    name: "a program from a heredoc",
    script: "x -i $T sh <<'EOF'\necho \"$0\"\ncat\necho err >&2\nexit 5\nEOF",
    local: true
  },
  { name: "a here string", script: "x -i $T cat <<< 'ü €'" },
  {
    name: "input in pieces",
    script: "(echo a; sleep 0.3; echo b) | x -i $T sh -c 'read a; read b; echo $b$a'",
    helper: true
  },
  {
    name: "a command that reads nothing",
    script: "yes | x -i $T sh -c 'exit 9'",
    // docker says 1 and "connection reset by peer" where the command is faster than its input (20.10).
    expected: { end: 9, stdout: "", stderr: "" },
    local: true
  },
  {
    name: "a command that reads one line of many",
    script: "seq 1000000 | x -i $T sh -c 'read a; echo $a; exit 3'",
    helper: true
  },
  {
    name: "a command that closes its stdin and goes on",
    script: "yes | x -i $T sh -c 'exec <&-; sleep 0.5; echo out; exit 2'"
  },
  {
    name: "a command that closes its output and reads on",
    script: "x -i $T sh -c 'exec >&-; sha256sum > /dev/null; echo err >&2; exit 4' < $F"
  },
  {
    name: "output after the end of the input",
    script: "seq 5 | x -i $T sh -c 'cat; sleep 0.3; echo late; echo err >&2; exit 6'",
    local: true
  },
  {
    name: "both outputs, large, while input comes",
    script:
      "x -i $T sh -c 'cat /tmp/parity >&2 & sha256sum; cat /tmp/parity; wait' < $F > $D/out 2> $D/err; echo $?; sha256sum < $D/out; sha256sum < $D/err",
    helper: true
  },
  { name: "bytes there and back", script: "x -i $T cat < $F | sha256sum", local: true },
  { name: "one long line", script: "head -c 2000000 /dev/zero | tr '\\0' x | x -i $T cat | sha256sum" },
  {
    name: "variables, user, directory",
    script: "x -i -e A='1 2' -w /tmp -u 1000:1000 $T sh -c 'cat; echo \"$A|$PWD|$(id -u)\"' <<< in"
  },
  { name: "without -i nothing is read", script: "echo in | x $T sh -c 'cat; echo end'", local: true },
  {
    name: "without -i the loop's input is the loop's",
    script: "printf '1\\n2\\n' | while read -r n; do x $T echo got $n; done"
  },
  { name: "with -i it takes the loop's input", script: "printf '1\\n2\\n' | while read -r n; do x -i $T cat; done" },
  {
    name: "-t: one stream, with CR LF",
    script: "x -t $T sh -c 'echo a; echo b >&2; test -t 0 && test -t 1 && test -t 2 && exit 3'",
    local: true
  },
  { name: "not there", script: "x -i $T foobarnone <<< in", refused: true, helper: true },
  { name: "not there, with -t", script: "x -t $T foobarnone", refused: true },
  { name: "not executable", script: "x -i $T /etc <<< in", refused: true }
]

/** At a terminal. */
export const atTerminal: ReadonlyArray<ParityCase> = [
  {
    name: "lines to a program, and Ctrl-D",
    script: "x -it $T sh -c 'echo up; cat; echo end'",
    typed: [
      [/up/, "hello\r"],
      [/hello\s+hello/, "\xc3\xbc\r"],
      [/\xc3\xbc\s+\xc3\xbc/, "\x04"]
    ],
    local: true
  },
  {
    name: "a shell",
    // A shell that learns its size late draws its prompt again.
    script: `x -it $T sh -c 'until [ "$(stty size 2>&-)" = "24 80" ]; do :; done; exec sh'`,
    typed: [
      [/# /, "echo hi\r"],
      [/hi\r\n[^#]*# /, "exit 4\r"]
    ],
    helper: true
  },
  {
    name: "Ctrl-C to a program",
    script: "x -it $T sh -c 'trap \"echo int; exit 8\" INT; echo up; while :; do sleep 0.1; done'",
    typed: [[/up/, "\x03"]],
    helper: true
  },
  {
    name: "bytes through a raw terminal",
    script: "x -it $T sh -c 'stty raw; cat /tmp/parity'",
    typed: [],
    local: true
  },
  { name: "many lines", script: "x -it $T seq 20000", typed: [] },
  { name: "-t without -i", script: "x -t $T sh -c 'echo a; echo b >&2; exit 3'", typed: [] },
  {
    name: "-i without -t",
    script: "x -i $T sh -c 'echo up; cat'",
    typed: [
      [/up/, "line\r"],
      [/line\s+line/, "\x04"]
    ]
  },
  { name: "a pipe into it", script: "echo a | x -i $T cat", typed: [] },
  { name: "not there, with -it", script: "x -it $T foobarnone", typed: [], refused: true }
]
