/**
 * What Node is started with: by the programs, the image and the single file.
 *
 * - `--max-semi-space-size=1`: chunks of 64 KiB that have gone through are garbage until the young generation is full, and V8 makes that as
 *   large as it likes. With 1 MiB of it, callers took 97 to 115 MB for 1000 MB of output, where they took 119 and 157, in the same time.
 * - `--no-concurrent-recompilation`: at its exit, Node waits for its compiler threads, which may wait for a collection by the main thread.
 *   Then the process hangs after all of its work is done (nodejs/node#54918).
 */
export const v8Options = ["--max-semi-space-size=1", "--no-concurrent-recompilation"]

/** With `--`, without which Node takes `--env-file` for its own wherever it stands, behind the program, too. */
export const nodeOptions = [...v8Options, "--"]
