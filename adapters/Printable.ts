/** A line for people. Labels and the engine's texts may hold anything; a line stays a line, and no terminal obeys it. */
export const printable = (line: string): string => line.replace(/\p{Cc}+/gu, " ")
