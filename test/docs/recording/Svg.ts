/**
 * A recording as one SVG, animated by CSS, without scripts, fonts or links, so that it also moves inside an `<img>`. Without CSS animation,
 * it shows the last frame.
 */
import type { Frame, Size, Span } from "./Screen.ts"

/** Size of a character, in pixels. */
export const character = { width: 8, height: 18 }

/** The margin around the terminal, in pixels. */
export const margin = 14

/** The font's size in pixels, for fonts whose characters are 0.602 em wide (Menlo, DejaVu Sans Mono). */
const fontSize = 13.29

const fontFamily = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"

/** How long the last frame stays before the recording starts again, in milliseconds. */
const rest = 3000

/** The terminal's sixteen colors, in their order. */
const palette = [
  ...["#484f58", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#c9d1d9"],
  ...["#6e7681", "#ffa198", "#a5f3b0", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff"]
]
const foreground = "#e6edf3"
const background = "#0d1117"

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** The content of a row from one frame to another. */
interface Stay {
  readonly row: number
  readonly spans: ReadonlyArray<Span>
  readonly from: number
  /** `undefined`: until the end. */
  readonly to: number | undefined
}

const staysOf = (frames: ReadonlyArray<Frame>, { rows }: Size): ReadonlyArray<Stay> =>
  Array.from({ length: rows }, (_, row) => {
    const changes = frames
      .map(({ at, rows: all }) => ({ from: at, spans: all[row] ?? [] }))
      .filter(({ spans }, at, all) => JSON.stringify(spans) !== JSON.stringify(at === 0 ? [] : all[at - 1]?.spans))
    return changes.map((change, at) => ({ row, ...change, to: changes[at + 1]?.from }))
  })
    .flat()
    .filter(({ spans }) => spans.length > 0)

const number = (value: number): string => String(Math.round(value * 100) / 100)

const drawn = (spans: ReadonlyArray<Span>, row: number): string =>
  spans
    .map(({ bold, color, column, dim, inverse, text }) => {
      const x = margin + column * character.width
      const width = text.length * character.width
      const fill = color === undefined ? foreground : (palette[color] ?? foreground)
      const back = `<rect x="${x}" y="${margin + row * character.height}" width="${width}" height="${character.height}" fill="${fill}"/>`
      const looks = [
        ...(inverse === true ? [`fill="${background}"`] : color === undefined ? [] : [`fill="${fill}"`]),
        ...(bold === true ? ['font-weight="bold"'] : []),
        ...(dim === true ? ['opacity="0.6"'] : [])
      ].map((look) => ` ${look}`)
      const y = margin + (row + 0.75) * character.height
      // The reader's font may be wider or narrower, so the length is set.
      return `${inverse === true ? back : ""}<text x="${x}" y="${number(y)}" textLength="${width}"${looks.join("")}>${escape(text)}</text>`
    })
    .join("")

/** How long the recording runs before it starts again, in milliseconds. */
export const lengthOf = (frames: ReadonlyArray<Frame>): number => (frames.at(-1)?.at ?? 0) + rest

/** The text of the file. */
export const svgOf = (frames: ReadonlyArray<Frame>, size: Size, title: string): string => {
  const length = lengthOf(frames)
  const percent = (at: number) => `${number((at / length) * 100)}%`
  const stays = staysOf(frames, size)
  const keyframes = stays.map(({ from, to }, at) => {
    const end = to === undefined ? "" : `${percent(to)}{visibility:hidden}`
    return `@keyframes k${at}{0%{visibility:hidden}${percent(from)}{visibility:visible}${end}}#s${at}{animation-name:k${at}}`
  })
  const width = size.columns * character.width + 2 * margin
  const height = size.rows * character.height + 2 * margin
  // This attribute applies unless an animation overrides it.
  const groups = stays.map(
    ({ row, spans, to }, at) =>
      `<g id="s${at}" class="s"${to === undefined ? "" : ' visibility="hidden"'}>${drawn(spans, row)}</g>`
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" fill="${foreground}" font-family="${fontFamily}" font-size="${fontSize}" xml:space="preserve">
<title>${escape(title)}</title>
<style>
.s{animation:${number(length / 1000)}s step-end infinite}
${keyframes.join("\n")}
@media(prefers-reduced-motion:reduce){.s{animation:none}}
</style>
<rect width="100%" height="100%" rx="8" fill="${background}"/>
${groups.join("\n")}
</svg>
`
}
