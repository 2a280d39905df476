/** The chain text form of `convscope.graph.chain`, cut into clauses so that blocks can edit it in place. */

export type Clause = {
  /** The name that `name = kind ...` gives the layer; null where the chain names it. */
  name: string | null;
  kind: string;
  /** Options as written after the kind, and after `<` the layers that it reads. */
  rest: string;
  /** Where the clause stands in the text, without surrounding blanks. */
  start: number;
  end: number;
};

/** Return the clauses of a text; comments (`# ...`) belong to none. */
export function clauses(text: string): Clause[] {
  const plain = text.replace(/#[^\n]*/g, (comment) => ' '.repeat(comment.length));
  const found: Clause[] = [];
  for (const piece of plain.matchAll(/[^,\n;]+/g)) {
    const trimmed = piece[0].trim();
    if (!trimmed) continue;
    const start = piece.index + piece[0].indexOf(trimmed);
    found.push({ ...parseClause(trimmed), start, end: start + trimmed.length });
  }
  return found;
}

/** Return name, kind and options of one clause. */
export function parseClause(clause: string): { name: string | null; kind: string; rest: string } {
  const named = /^([A-Za-z_]\w*)\s*=\s*(?=[A-Za-z_])/.exec(clause);
  const body = named ? clause.slice(named[0].length) : clause;
  const kind = /^[^\s<]*/.exec(body)![0]!;
  return { name: named?.[1] ?? null, kind, rest: body.slice(kind.length).trim() };
}

/** Replace one clause; everything around it, comments included, stays as it is. */
export function replaced(text: string, index: number, clause: string): string {
  const at = clauses(text)[index];
  return at ? text.slice(0, at.start) + clause + text.slice(at.end) : text;
}

/** Insert a clause before the one at `index`, or at the end. */
export function inserted(text: string, index: number, clause: string): string {
  const all = clauses(text);
  if (!all.length) return text.trim() ? `${text}\n${clause}` : clause;
  const between = text.includes('\n') ? '\n' : ', ';
  if (index >= all.length) {
    const end = all[all.length - 1]!.end;
    return text.slice(0, end) + between + clause + text.slice(end);
  }
  const { start } = all[index]!;
  return text.slice(0, start) + clause + between + text.slice(start);
}

/** Remove a clause with the comma or line break that parts it from its neighbour. */
export function removed(text: string, index: number): string {
  const all = clauses(text);
  const at = all[index];
  if (!at) return text;
  const next = all[index + 1];
  if (next && !text.slice(at.end, next.start).includes('#')) return text.slice(0, at.start) + text.slice(next.start);
  const before = all[index - 1];
  if (!next && before && !text.slice(before.end, at.start).includes('#'))
    return text.slice(0, before.end) + text.slice(at.end);
  const after = /^[ \t]*,?[ \t]*/.exec(text.slice(at.end))![0].length;
  return text.slice(0, at.start) + text.slice(at.end + after);
}

/** Exchange a clause with the one `by` places on. */
export function moved(text: string, index: number, by: number): string {
  const all = clauses(text);
  const a = all[Math.min(index, index + by)];
  const b = all[Math.max(index, index + by)];
  if (!a || !b) return text;
  const cut = (c: Clause) => text.slice(c.start, c.end);
  return text.slice(0, a.start) + cut(b) + text.slice(a.end, b.start) + cut(a) + text.slice(b.end);
}
