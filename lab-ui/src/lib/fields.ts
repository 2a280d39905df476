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

/** What a box of positions of a layer reads of one of its inputs; each axis by its first and last position. */
function through(box: Box, later: Field, earlier: Field, height: number, width: number): Box {
  const along = (axis: number, [low, high]: Span, extent: number): Span => [
    span(later, earlier, axis, low, extent)[0],
    span(later, earlier, axis, high - 1, extent)[1],
  ];
  const axes = later.size.length;
  return {
    rows: axes === 1 ? [0, height] : along(axes - 2, box.rows, height),
    columns: along(axes - 1, box.columns, width),
  };
}

/**
 * Everything that one position of a layer depends on: for each layer before it, and for the input, the box of
 * its maps. Walked back from layer to layer, so that what lies beyond the edge of a layer in between, in its
 * padding, does not count; where branches meet, the hull.
 *
 * @param shape rows and columns of the input
 */
export function dependencies(
  layers: readonly Layer[],
  name: string,
  position: { row: number; column: number },
  shape: { rows: number; columns: number },
): Map<string, Box> {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const found = new Map<string, Box>();
  found.set(name, { rows: [position.row, position.row + 1], columns: [position.column, position.column + 1] });
  for (const layer of [...layers].reverse()) {
    const box = found.get(layer.name);
    if (!box || !layer.field) continue;
    for (const input of layer.inputs) {
      const earlier = byName.get(input);
      if (earlier && !earlier.field) continue;
      const [height, width] = earlier ? extents(earlier.shape) : [shape.rows, shape.columns];
      const read = through(box, layer.field, earlier?.field ?? itself(layer.field.size.length), height, width);
      const key = earlier ? input : INPUT;
      const known = found.get(key);
      found.set(key, known ? hull(known, read) : read);
    }
  }
  found.delete(name);
  return found;
}

/** Units, rows and columns as which an activation is drawn: of more than three axes the first ones count as units. */
export function mapShape(shape: readonly number[]): [number, number, number] {
  const units = shape.slice(0, shape.length < 3 ? 1 : -2).reduce((product, extent) => product * extent, 1);
  return [units, ...extents(shape)];
}

/** Rows and columns of a layer's maps. */
export const extents = (shape: readonly number[]): [number, number] =>
  shape.length < 2 ? [1, 1] : shape.length === 2 ? [1, shape[1] ?? 1] : [shape.at(-2) ?? 1, shape.at(-1) ?? 1];

const hull = (a: Box, b: Box): Box => ({
  rows: [Math.min(a.rows[0], b.rows[0]), Math.max(a.rows[1], b.rows[1])],
  columns: [Math.min(a.columns[0], b.columns[0]), Math.max(a.columns[1], b.columns[1])],
});
