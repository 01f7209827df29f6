/** The declarations at the top of a module, and the function expressions in them. */
import { parseAst } from "rolldown/parseAst"

/** A position in a module's text. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A function expression. Unlike a method, it can be put in parentheses. */
export interface FunctionText extends Span {
  /** `block`: the body is in braces. `value`: it is an expression. */
  readonly body: Span & { readonly kind: "block" | "value" }
}

/** A declaration or an assignment at the top level of a module. */
export interface Declaration extends Span {
  /** `collect`, `Modem.prototype.dial`. Empty without a name. */
  readonly name: string
  /** Including nested ones. */
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

/** Returns the declarations of a module. The extension of its path `id` determines the language. */
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

/** Inserts texts into a text. Insertions at the same position keep their order. */
export const insert = (code: string, texts: ReadonlyArray<{ readonly at: number; readonly text: string }>): string => {
  let all = ""
  let from = 0
  for (const { at, text } of texts.toSorted((a, b) => a.at - b.at)) {
    all += code.slice(from, at) + text
    from = at
  }
  return all + code.slice(from)
}
