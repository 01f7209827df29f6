/**
 * The options of Node in the programs, the image and the single file.
 *
 * - `--max-semi-space-size=1`: limits the young generation to 1 MiB. Forwarded chunks of 64 KiB stay in memory until it is full, and V8
 *   enlarges it without this limit. For 1000 MB of output, callers took 97 to 115 MB of memory with the limit, and 119 to 157 MB without it,
 *   in equal time.
 * - `--no-concurrent-recompilation`: at its exit, Node waits for its compiler threads. A compiler thread can wait for a garbage collection by
 *   the main thread, and the process then hangs after all of its work is done (nodejs/node#54918).
 */
export const v8Options = ["--max-semi-space-size=1", "--no-concurrent-recompilation"]

/** With `--`, without which Node takes `--env-file` for its own wherever it stands, behind the program, too. */
export const nodeOptions = [...v8Options, "--"]
