/** The terms of one unit's sum, as the server inspects them, by channel. */
import type { Inspection } from './live.svelte';

/** The window of one channel: what is read, by what it is multiplied, and what that gives. */
export interface Part {
  channel: number;
  window: number[];
  weights: number[] | null;
  products: number[];
  total: number;
}

/** Rows and columns of the window of one channel; a line where there is one axis, one value for a dense layer. */
export function windowShape(shape: readonly number[]): [number, number] {
  if (shape.length >= 3) return [shape[1] ?? 1, shape[2] ?? 1];
  return shape.length === 2 ? [1, shape[1] ?? 1] : [1, 1];
}

/** The parts of a sum, one for each channel that is read. */
export function channelTerms(found: Inspection): Part[] {
  const [rows, columns] = windowShape(found.shape);
  const size = rows * columns;
  const count = found.shape[0] ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const window = found.window.slice(index * size, (index + 1) * size);
    const weights = found.weights?.slice(index * size, (index + 1) * size) ?? null;
    const products = weights ? window.map((value, at) => value * (weights[at] ?? 0)) : window;
    const total = products.reduce((sum, value) => sum + value, 0);
    return { channel: (found.channels[0] ?? 0) + index, window, weights, products, total };
  });
}

/** The indices of the largest absolute values, largest first. */
export function indicesOfLargest(values: readonly number[], count: number): number[] {
  return values
    .map((value, index) => ({ size: Math.abs(value), index }))
    .sort((a, b) => b.size - a.size)
    .slice(0, count)
    .map(({ index }) => index);
}

/** The next position, row by row, round and round. */
export function nextPosition(
  { row, column }: { row: number; column: number },
  by: number,
  rows: number,
  columns: number,
): { row: number; column: number } {
  const count = rows * columns;
  const at = (((row * columns + column + by) % count) + count) % count;
  return { row: Math.floor(at / columns), column: at % columns };
}
