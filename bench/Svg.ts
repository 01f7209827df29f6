/** The parts that all charts share: an SVG for light and dark pages, without scripts or links. */

/** Width of every chart in pixels. */
export const width = 720

/** Text as an element's content. */
export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const light = `text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:13px;fill:#1f2328}
.paper{fill:#ffffff;stroke:#d1d9e0}
.title{font-size:15px;font-weight:600}
.note{fill:#59636e;font-size:12px}`

const dark = `text{fill:#f0f6fc}
.paper{fill:#0d1117;stroke:#3d444d}
.note{fill:#9198a1}`

/** A chart without its drawing. */
export interface Frame {
  /** Pixels. */
  readonly height: number
  /** For screen readers. */
  readonly description: string
  readonly title: string
  readonly note: string
  /** Style rules of the drawing on light and on dark pages. */
  readonly style: { readonly light: string; readonly dark: string }
}

/** The text of an SVG file. The drawing begins below 60 pixels. */
export const svg = ({ description, height, note, style, title }: Frame, drawing: ReadonlyArray<string>): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(description)}</title>
<style>
${light}
${style.light}
@media(prefers-color-scheme:dark){
${dark}
${style.dark}
}
</style>
<rect class="paper" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
<text class="title" x="20" y="30">${escape(title)}</text>
<text class="note" x="20" y="50">${escape(note)}</text>
${drawing.join("\n")}
</svg>
`
