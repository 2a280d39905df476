/** Which part of an earlier layer one unit depends on: arithmetic of fields, done in the browser. */
import type { Field, Layer } from './api';
import { INPUT } from './frames';

/** First position and the one after the last, along one axis. */
export type Span = [number, number];

/** Rows and columns of a map. */
export interface Box {
  rows: Span;
  columns: Span;
}

/** The field of the input in itself: every pixel depends on itself. */
const itself = (axes: number): Field => ({
  size: Array<number>(axes).fill(1),
  stride: Array<number>(axes).fill(1),
  offset: Array<number>(axes).fill(0),
  covers_all: Array<boolean>(axes).fill(false),
});

/**
 * The positions of an earlier layer that one position depends on, along one axis.
 *
 * A field that begins at `offset + stride * position` and is `size` long covers `(size - s) / t + 1` fields of a
 * layer whose own fields are `s` long and `t` apart. Exact for a chain; where branches meet, the hull.
 */
export function span(later: Field, earlier: Field, axis: number, position: number, extent: number): Span {
  const step = earlier.stride[axis] ?? 0;
  const stride = later.stride[axis] ?? 0;
  if (step === 0 || stride === 0) return [0, extent];
  const begin = (later.offset[axis] ?? 0) + stride * position;
  const first = (begin - (earlier.offset[axis] ?? 0)) / step;
  const count = ((later.size[axis] ?? 1) - (earlier.size[axis] ?? 1)) / step + 1;
  const low = Math.max(0, Math.floor(first + 1e-6));
  const high = Math.min(extent, Math.ceil(first + count - 1e-6));
  return [Math.min(low, extent), Math.max(high, Math.min(low, extent))];
}

/** Rows and columns of a map of `height` x `width` positions that one position of a later layer depends on. */
export function dependsOn(
  later: Field | null,
  earlier: Field | null,
  position: { row: number; column: number },
  height: number,
  width: number,
): Box | null {
  if (!later) return null;
  const axes = later.size.length;
  const from = earlier ?? itself(axes);
  if (axes === 1) return { rows: [0, height], columns: span(later, from, 0, position.column, width) };
  return {
    rows: span(later, from, axes - 2, position.row, height),
    columns: span(later, from, axes - 1, position.column, width),
  };
}

/** The layers, and the input, from which a layer is computed. */
export function ancestors(layers: readonly Layer[], name: string): Set<string> {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const found = new Set<string>();
  const open = [...(byName.get(name)?.inputs ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const layer = byName.get(next);
    const known = layer ? next : INPUT;
    if (found.has(known)) continue;
    found.add(known);
    open.push(...(layer?.inputs ?? []));
  }
  return found;
}
