/** A recording as one SVG: no script, no font of its own, nothing fetched, so that it moves where images may move. */
import type { Frame, Size, Span } from "./Screen.ts"

/** Pixels. */
const character = { width: 8.4, height: 19 }
const margin = 14

/** How long the last picture stays, in milliseconds, before it begins again. */
const rest = 5000

/** The sixteen colours, in their order. */
const palette = [
  ...["#484f58", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#c9d1d9"],
  ...["#6e7681", "#ffa198", "#a5f3b0", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff"]
]
const ink = "#e6edf3"
const paper = "#0d1117"

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** A row that looks the same for a while. */
interface Stay {
  readonly row: number
  readonly spans: ReadonlyArray<Span>
  readonly from: number
  /** None: to the end. */
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
      const fill = color === undefined ? ink : (palette[color] ?? ink)
      const back = `<rect x="${number(x)}" y="${margin + row * character.height}" width="${number(width)}" height="${character.height}" fill="${fill}"/>`
      const looks = [
        `fill="${inverse === true ? paper : fill}"`,
        ...(bold === true ? ['font-weight="bold"'] : []),
        ...(dim === true ? ['opacity="0.6"'] : [])
      ].join(" ")
      const y = margin + (row + 0.75) * character.height
      // The length is said, as the reader's font may be wider.
      return `${inverse === true ? back : ""}<text x="${number(x)}" y="${number(y)}" textLength="${number(width)}" ${looks} xml:space="preserve">${escape(text)}</text>`
    })
    .join("")

/** The file's text. Whoever wants no motion sees the last picture. */
export const svgOf = (frames: ReadonlyArray<Frame>, size: Size, title: string): string => {
  const length = (frames.at(-1)?.at ?? 0) + rest
  const percent = (at: number) => `${number((at / length) * 100)}%`
  const stays = staysOf(frames, size)
  const keyframes = stays.map(({ from, to }, at) => {
    const end = to === undefined ? "" : `${percent(to)}{visibility:hidden}`
    return `@keyframes k${at}{0%{visibility:hidden}${percent(from)}{visibility:visible}${end}}#s${at}{animation-name:k${at}}`
  })
  const width = Math.ceil(size.columns * character.width + 2 * margin)
  const height = size.rows * character.height + 2 * margin
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(title)}</title>
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.s{visibility:hidden;animation:${number(length / 1000)}s step-end infinite}
${keyframes.join("\n")}
@media(prefers-reduced-motion:reduce){.s{animation:none}.last{visibility:visible}}
</style>
<rect width="100%" height="100%" rx="8" fill="${paper}"/>
${stays
  .map(
    ({ row, spans, to }, at) => `<g id="s${at}" class="s${to === undefined ? " last" : ""}">${drawn(spans, row)}</g>`
  )
  .join("\n")}
</svg>
`
}
