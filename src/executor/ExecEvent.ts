/** What a run tells while it goes on, in the order in which it happened. The last one is `Exited` or `Detached`. */
export type ExecEvent =
  /** The engine accepted the exec. `execId` is its ID on the task's node. */
  | { readonly _tag: "Started"; readonly execId: string }
  /** Bytes of the command's standard output, as the command wrote them. */
  | { readonly _tag: "Stdout"; readonly data: Uint8Array }
  /** Bytes of the command's standard error, as the command wrote them. */
  | { readonly _tag: "Stderr"; readonly data: Uint8Array }
  /** The engine reported that the command ended, and all of its output came before. 137 means killed by signal 9. */
  | { readonly _tag: "Exited"; readonly code: number }
  /** The command was started and nobody waits for its end. */
  | { readonly _tag: "Detached"; readonly execId: string }
