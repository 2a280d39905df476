/** Heights of rows of maps, known before they are drawn: long lists of layers draw only what is in view. */
import type { Layer } from './api';
import { mapShape } from './fields';
import { arrangeTiles } from './tiles';

/** Of a layer with very many maps only so many are drawn until all are asked for. */
export const MANY = 128;
/** The same where two networks stand beside each other. */
export const MANY_COMPARED = 64;
/** Smallest extent of a map, in CSS pixels. */
export const LEAST = 38;
/** The same where two networks stand beside each other. */
export const LEAST_COMPARED = 30;

/** Whether a layer has more maps than are drawn at first. */
export function hasMany(layer: Layer, many = MANY): boolean {
  const [units, rows, columns] = mapShape(layer.shape);
  return (rows > 1 || columns > 1) && units > many;
}

/** Height of the maps of a layer in CSS pixels, as `LayerMaps` draws them in a space of some width. */
export function mapsHeight(layer: Layer, space: number, options: { most?: number; least?: number; density?: number } = {}): number {
  const { most = Number.POSITIVE_INFINITY, least = LEAST, density = typeof devicePixelRatio === 'number' ? devicePixelRatio : 1 } = options;
  if (space <= 0) return 0;
  const [units, rows, columns] = mapShape(layer.shape);
  const tiles = arrangeTiles(Math.min(units, most), rows, columns, Math.floor(space), least, density);
  return (tiles.rows * (tiles.height + tiles.gap) - tiles.gap) / density;
}

/** Lines that a text takes where so many characters fit into one. */
export const lines = (text: string, fit: number): number => Math.max(1, Math.ceil(text.length / fit));
