/** The declarations at the top of a module, and the function expressions in them. */
import { parseAst } from "rolldown/parseAst"

/** Where something is in a module's text. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A function expression: its text can be put in parentheses, other than that of a method. */
export interface FunctionText extends Span {
  /** `block` is in braces, `value` is what the function gives. */
  readonly body: Span & { readonly kind: "block" | "value" }
}

/** A declaration at the top of a module, or what is assigned there. */
export interface Declaration extends Span {
  /** `collect`, `Modem.prototype.dial`; empty where it has none. */
  readonly name: string
  /** Also those within others. */
  readonly functions: ReadonlyArray<FunctionText>
}

interface SyntaxNode extends Span {
  readonly type: string
}

const isNode = (value: unknown): value is SyntaxNode =>
  typeof value === "object" && value !== null && "type" in value && "start" in value && "end" in value

const childrenOf = (node: SyntaxNode): ReadonlyArray<SyntaxNode> =>
  Object.values(node)
    .flat()
    .filter((child) => isNode(child))

const isMethod = (node: SyntaxNode): boolean =>
  node.type === "MethodDefinition" ||
  (node.type === "Property" && (("method" in node && node.method === true) || ("kind" in node && node.kind !== "init")))

const functionsIn = (node: SyntaxNode): ReadonlyArray<FunctionText> =>
  childrenOf(node).flatMap((child) => [...functionOf(child, node), ...functionsIn(child)])

const functionOf = (node: SyntaxNode, parent: SyntaxNode): ReadonlyArray<FunctionText> => {
  if ((node.type !== "ArrowFunctionExpression" && node.type !== "FunctionExpression") || isMethod(parent)) return []
  if (!("body" in node) || !isNode(node.body)) return []
  const { end, start, type } = node.body
  const kind = type === "BlockStatement" || type === "FunctionBody" ? "block" : "value"
  return [{ start: node.start, end: node.end, body: { start, end, kind } }]
}

const nameOf = (node: SyntaxNode, code: string): string => {
  if ("id" in node && isNode(node.id)) return code.slice(node.id.start, node.id.end)
  const { expression = undefined } = "expression" in node ? node : {}
  const { left = undefined } = isNode(expression) && "left" in expression ? expression : {}
  return isNode(left) ? code.slice(left.start, left.end) : ""
}

/** All of a module's. `id`: its path, which tells its language. */
export const declarationsOf = (code: string, id: string): ReadonlyArray<Declaration> =>
  parseAst(code, { lang: id.endsWith(".ts") ? "ts" : "js" }).body.flatMap((statement) => {
    const exported = "declaration" in statement && isNode(statement.declaration) ? statement.declaration : statement
    const declared = exported.type === "VariableDeclaration" ? childrenOf(exported) : [exported]
    return declared.map((node) => ({
      name: nameOf(node, code),
      start: node.start,
      end: node.end,
      functions: functionsIn(node)
    }))
  })

/** The text with others put into it. Those at one place go in in the order in which they come. */
export const insert = (code: string, texts: ReadonlyArray<{ readonly at: number; readonly text: string }>): string => {
  let all = ""
  let from = 0
  for (const { at, text } of texts.toSorted((a, b) => a.at - b.at)) {
    all += code.slice(from, at) + text
    from = at
  }
  return all + code.slice(from)
}
