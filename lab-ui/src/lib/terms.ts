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

/** Where a unit is in its layer's map. */
export type Position = { row: number; column: number };

/** The position in an address: `conv1:3@4,7` -> row 4, column 7; `conv1:3@7`, along one axis, is in row 0. */
export function positionOf(address: string): Position | null {
  const numbers = address.split('@')[1]?.split(',').map(Number) ?? [];
  if (numbers.length === 0) return null;
  return numbers.length === 1 ? { row: 0, column: numbers[0] ?? 0 } : { row: numbers[0] ?? 0, column: numbers[1] ?? 0 };
}

/**
 * The position in a map whose window is centred nearest to a place in the input.
 *
 * @param wanted row and column in the input
 * @param taps rows and columns that the window of the position `at` reads; columns alone along one axis
 */
export function nearestPosition(
  wanted: [number, number],
  taps: readonly number[][],
  at: Position,
  strides: readonly number[],
  shape: readonly [number, number],
): Position {
  const along = (read: number[] | undefined, here: number, place: number, extent: number, stride: number): number => {
    if (!read) return here;
    const middle = ((read[0] ?? 0) + (read.at(-1) ?? 0)) / 2;
    return Math.min(Math.max(Math.round(here + (place - middle) / stride), 0), extent - 1);
  };
  return {
    row: taps.length > 1 ? along(taps[0], at.row, wanted[0], shape[0], strides[0] ?? 1) : 0,
    column: along(taps.at(-1), at.column, wanted[1], shape[1], strides.at(-1) ?? 1),
  };
}

/** The next position, row by row, round and round. */
export function nextPosition({ row, column }: Position, by: number, rows: number, columns: number): Position {
  const count = rows * columns;
  const at = (((row * columns + column + by) % count) + count) % count;
  return { row: Math.floor(at / columns), column: at % columns };
}
