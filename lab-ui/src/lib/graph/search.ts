/** Search for layers (`kernel=5x5`, `56x56`, `relu`), and differences of two graphs. */

import type { Layer } from '../api';

/** Write an option's value as chains do: `5x5`, `true`, `same`. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join('x');
  return value === null || value === undefined ? '' : String(value);
}

/** Return whether `3` or `3x3` stands for an option's value. */
function equals(value: unknown, wanted: string): boolean {
  const text = shown(value).toLowerCase();
  if (text === wanted) return true;
  const sizes = text.split('x');
  const asked = wanted.split('x');
  if (sizes.length > 1 && asked.length === 1) return sizes.every((s) => s === asked[0]);
  return sizes.length === 1 && asked.length > 1 && asked.every((s) => s === sizes[0]);
}

/**
 * Return whether a layer matches every word of a query.
 *
 * A word is an option and its value (`kernel=5x5`, `stride=2`; the start of the option's name is enough), a part of a
 * shape (`56x56`, `64x56x56`), or a part of the name or kind.
 */
export function matches(layer: Layer, query: string): boolean {
  return query
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => matchesWord(layer, word));
}

function matchesWord(layer: Layer, word: string): boolean {
  const [key = '', value] = word.split('=', 2);
  if (value !== undefined) {
    if ('kind'.startsWith(key) && layer.kind.toLowerCase() === value) return true;
    return Object.entries(layer.options).some(([name, found]) => name.startsWith(key) && equals(found, value));
  }
  if (/^\d+(x\d+)+$/.test(word)) {
    const shape = layer.shape.join('x');
    return shape === word || shape.endsWith(`x${word}`) || Object.values(layer.options).some((v) => shown(v) === word);
  }
  return layer.name.toLowerCase().includes(word) || layer.kind.toLowerCase().includes(word);
}

export type Change = 'same' | 'added' | 'gone' | 'changed' | 'shape';
export type DiffRow = { before: Layer | null; after: Layer | null; change: Change; what: string[] };

/**
 * Compare two graphs layer by layer: the longest common sequence of kinds and names keeps its place.
 *
 * @returns rows in order; `shape` where only the shape differs, `changed` where options differ.
 */
export function difference(before: Layer[], after: Layer[]): DiffRow[] {
  const n = before.length;
  const m = after.length;
  const alike = (i: number, j: number) => likeness(before[i]!, after[j]!);
  const best = Array.from({ length: n + 1 }, () => new Uint32Array(m + 1));
  const at = (i: number, j: number) => best[i]![j]!;
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--) {
      const score = alike(i, j);
      best[i]![j] = Math.max(at(i + 1, j), at(i, j + 1), score ? score + at(i + 1, j + 1) : 0);
    }
  const rows: DiffRow[] = [];
  let i = 0;
  let j = 0;
  while (i < n || j < m) {
    const score = i < n && j < m ? alike(i, j) : 0;
    if (score && at(i, j) === score + at(i + 1, j + 1)) rows.push(compared(before[i++]!, after[j++]!));
    else if (j >= m || (i < n && at(i, j) === at(i + 1, j)))
      rows.push({ before: before[i++]!, after: null, change: 'gone', what: [] });
    else rows.push({ before: null, after: after[j++]!, change: 'added', what: [] });
  }
  return rows;
}

/** How much two layers are alike: 0 for those of different kinds. */
function likeness(a: Layer, b: Layer): number {
  return a.kind === b.kind ? 2 + Number(a.name === b.name) + Number(same(a, b)) : 0;
}

function same(a: Layer, b: Layer): boolean {
  return JSON.stringify(a.options) === JSON.stringify(b.options);
}

function compared(before: Layer, after: Layer): DiffRow {
  const names = new Set([...Object.keys(before.options), ...Object.keys(after.options)]);
  const what = [...names]
    .filter((name) => shown(before.options[name]) !== shown(after.options[name]))
    .map((name) => `${name} ${shown(before.options[name]) || '–'} → ${shown(after.options[name]) || '–'}`);
  const shapes = before.shape.join('×') !== after.shape.join('×');
  if (shapes) what.push(`${before.shape.join('×')} → ${after.shape.join('×')}`);
  const options = what.length > Number(shapes);
  return { before, after, change: options ? 'changed' : shapes ? 'shape' : 'same', what };
}
