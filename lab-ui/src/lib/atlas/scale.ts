/** How large thumbnails are at each zoom, and how far one can zoom. */
import type { Size } from './camera';

/** The world: 4 wide and 3 high, as the grid of the server is. */
export const WORLD: Size = { width: 4 / 3, height: 1 };
export type Arrangement = 'map' | 'grid';

/** On a map thumbnails grow by this power of the zoom: more slowly than distances, so that crowds come apart. */
const SIDE_EXPONENT = 0.7;
/** Share of a cell of the grid that a thumbnail fills. */
const CELL_FILL = 0.94;
/** Sides in CSS pixels on a map: at least, and at most where all of it is in view. */
const MIN_SIDE = 6;
const MAX_FITTED_SIDE = 56;
/** Least distance of two thumbnails on a map, in sides. */
const SPACING = 0.45;
/** How much farther than needed one can zoom out, and the least that one can zoom in. */
const MIN_ZOOM = 0.8;
const LEAST_MAX_ZOOM = 4;

export interface Scale {
  /** Side of a thumbnail in pixels at a zoom, 1 where the whole world is in view. */
  side: (zoom: number) => number;
  least: number;
  most: number;
  /** The zooms at which a map shows more thumbnails, and how far apart they are, in units of the world. */
  steps: number[];
  spacing: (zoom: number) => number;
}

/**
 * The sizes of an arrangement.
 *
 * @param count how many thumbnails are to have room, roughly
 * @param fit pixels for each unit of the world at a zoom of 1
 * @param largest the largest side in pixels that thumbnails are drawn in
 * @param pixel device pixels for each CSS pixel
 */
export function scaleOf(
  arrangement: Arrangement,
  count: number,
  grid: readonly [number, number],
  fit: number,
  largest: number,
  pixel: number,
): Scale {
  const cell = Math.min(WORLD.width / grid[1], WORLD.height / grid[0]) * fit;
  if (arrangement === 'grid') {
    const most = Math.max(LEAST_MAX_ZOOM, largest / cell);
    return { side: (zoom) => CELL_FILL * cell * zoom, least: MIN_ZOOM, most, steps: [MIN_ZOOM], spacing: () => 0 };
  }
  const even = Math.sqrt((WORLD.width * WORLD.height) / Math.max(count, 1)) * fit;
  const first = Math.min(Math.max(even, MIN_SIDE * pixel), MAX_FITTED_SIDE * pixel, largest);
  const most = Math.max(LEAST_MAX_ZOOM, (largest / first) ** (1 / SIDE_EXPONENT));
  const side = (zoom: number) => Math.min(first * zoom ** SIDE_EXPONENT, largest);
  const steps: number[] = [];
  for (let zoom = MIN_ZOOM; zoom < most; zoom *= Math.SQRT2) steps.push(zoom);
  steps.push(most);
  return { side, least: MIN_ZOOM, most, steps, spacing: (zoom) => (SPACING * side(zoom)) / (fit * zoom) };
}
