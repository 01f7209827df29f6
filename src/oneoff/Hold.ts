/**
 * The hold program: the main process of a one-off task. It waits for a signal, so that the task keeps running and a command can be executed
 * in it.
 *
 * It needs no file of the image. The task receives it as a file in a Swarm secret. Engines create the file system of secrets with `noexec`
 * and then remount it read-only without that flag (moby, `remountSecretDir`; measured: engines 20.10 and 28.5), so a file of a secret can
 * be executed.
 *
 * As PID 1, it ignores SIGCHLD, so that the kernel removes orphaned processes when they end. It ends on every signal whose default action
 * ends a process. Its stop signal is SIGTERM.
 */

const u16 = (value: number): string => littleEndian(value, 2)
const u32 = (value: number): string => littleEndian(value, 4)
const u64 = (value: number): string => littleEndian(value, 8)

/** Returns the hexadecimal digits of a number in `bytes` bytes, the lowest one first. */
const littleEndian = (value: number, bytes: number): string =>
  Buffer.from(value.toString(16).padStart(2 * bytes, "0"), "hex")
    .reverse()
    .toString("hex")

/** The signals to wait for: all except CHLD, CONT, TSTP, TTIN, TTOU, URG and WINCH. Bit 0 is signal 1. */
const signalSet = "ffff84f7ffffffff"
/** `struct sigaction` of the kernel with SIG_IGN and no flags. */
const ignore = u64(1) + u64(0) + u64(0) + u64(0)

const x64 = [
  "b80e000000", //         mov  eax, 14         rt_sigprocmask(
  "31ff", //               xor  edi, edi          SIG_BLOCK,
  "488d3542000000", //     lea  rsi, [rip+0x42]   &signalSet,
  "31d2", //               xor  edx, edx          NULL,
  "41ba08000000", //       mov  r10d, 8           8)
  "0f05", //               syscall
  "b80d000000", //         mov  eax, 13         rt_sigaction(
  "bf11000000", //         mov  edi, 17           SIGCHLD,
  "488d352f000000", //     lea  rsi, [rip+0x2f]   &ignore,
  "31d2", //               xor  edx, edx          NULL, 8)
  "0f05", //               syscall
  "b880000000", //   wait: mov  eax, 128        rt_sigtimedwait(
  "488d3d17000000", //     lea  rdi, [rip+0x17]   &signalSet,
  "31f6", //               xor  esi, esi          NULL,
  "31d2", //               xor  edx, edx          NULL: no timeout, 8)
  "0f05", //               syscall
  "83f8fc", //             cmp  eax, -4         -EINTR, after SIGCONT
  "74e9", //               je   wait
  "31ff", //               xor  edi, edi
  "b8e7000000", //         mov  eax, 231        exit_group(0)
  "0f05", //               syscall
  "0f1f00", //             nop                  up to a multiple of 8 bytes
  signalSet,
  ignore
]

const arm64 = [
  "000080d2", //       mov  x0, #0            rt_sigprocmask(SIG_BLOCK,
  "a1020010", //       adr  x1, signalSet       &signalSet,
  "020080d2", //       mov  x2, #0              NULL,
  "030180d2", //       mov  x3, #8              8)
  "e81080d2", //       mov  x8, #135
  "010000d4", //       svc  #0
  "200280d2", //       mov  x0, #17           rt_sigaction(SIGCHLD,
  "21020010", //       adr  x1, ignore          &ignore, NULL, 8)
  "c81080d2", //       mov  x8, #134
  "010000d4", //       svc  #0
  "80010010", // wait: adr  x0, signalSet     rt_sigtimedwait(&signalSet,
  "010080d2", //       mov  x1, #0              NULL,
  "020080d2", //       mov  x2, #0              NULL: no timeout,
  "030180d2", //       mov  x3, #8              8)
  "281180d2", //       mov  x8, #137
  "010000d4", //       svc  #0
  "1f1000b1", //       cmn  x0, #4            -EINTR, after SIGCONT
  "20ffff54", //       b.eq wait
  "000080d2", //       mov  x0, #0            exit_group(0)
  "c80b80d2", //       mov  x8, #94
  "010000d4", //       svc  #0
  "1f2003d5", //       nop                    up to a multiple of 8 bytes
  signalSet,
  ignore
]

const elfHeader = 64
const programHeader = 56
const address = 0x40_0000

/** Returns a static ELF program with this code, in one read-only segment. `machine`, `page`: the ABI's number and largest page. */
const program = (code: ReadonlyArray<string>, machine: number, page: number): Buffer => {
  const body = Buffer.from(code.join(""), "hex")
  const size = elfHeader + programHeader + body.length
  const header = [
    "7f454c46", // magic
    "02010100", // 64 bits, little-endian, version 1, System V
    u64(0),
    u16(2), // e_type: executable
    u16(machine),
    u32(1), // e_version
    u64(address + elfHeader + programHeader), // e_entry
    u64(elfHeader), // e_phoff
    u64(0), // e_shoff
    u32(0), // e_flags
    u16(elfHeader),
    u16(programHeader),
    u16(1), // e_phnum
    u16(0),
    u16(0),
    u16(0), // no sections
    u32(1), // p_type: load
    u32(5), // p_flags: read and execute
    u64(0), // p_offset
    u64(address), // p_vaddr
    u64(address), // p_paddr
    u64(size), // p_filesz
    u64(size), // p_memsz
    u64(page) // p_align
  ]
  return Buffer.concat([Buffer.from(header.join(""), "hex"), body])
}

/** The hold program of each architecture, by Node's name for it. */
export const holdPrograms = {
  x64: program(x64, 62, 0x1000),
  arm64: program(arm64, 183, 0x1_0000)
} as const

/** The path of the hold program in a one-off task. */
export const holdPath = "/.task-exec/hold"

/**
 * The content of the secret: a template that each node expands to the program for its own architecture. The programs contain no template
 * delimiters.
 */
export const holdTemplate: Uint8Array = Buffer.concat([
  Buffer.from('{{if eq .Node.Platform.Architecture "aarch64" "arm64"}}'),
  holdPrograms.arm64,
  Buffer.from("{{else}}"),
  holdPrograms.x64,
  Buffer.from("{{end}}")
])
