/** Where the maps of a layer lie on its canvas: rows of equal tiles that fill the width evenly. */

export interface Tiles {
  columns: number;
  rows: number;
  /** Pixels of the canvas for one map, without the gap after it. */
  width: number;
  height: number;
  gap: number;
}

/** Sizes in CSS pixels. */
const GAP = 3;
const LARGEST = 96;
/** A map of one row takes a pixel for each value, up to so many. */
const LINE = 180;
/** More single values than this are drawn as small cells. */
const MANY = 240;

/**
 * Arrange `count` maps of `h` x `w` values in `space` CSS pixels.
 *
 * @param least smallest extent of a map's longer side, in CSS pixels
 * @param density device pixels per CSS pixel; a map's values are whole device pixels where there is room
 */
export function arrangeTiles(count: number, h: number, w: number, space: number, least: number, density: number): Tiles {
  const single = h === 1 && w === 1;
  const long = Math.max(h, w);
  const wide = w / long;
  const dense = single && count > MANY;
  const between = dense ? 1 : GAP;
  const line = h === 1 && !single;
  const smallest = dense ? 6 : single ? Math.max(9, least / 3) : line ? Math.max(least, Math.min(w, LINE)) : least;
  const fit = Math.max(1, Math.floor((space + between) / (smallest * wide + between)));
  const rows = Math.max(1, Math.ceil(count / fit));
  const columns = Math.max(1, Math.ceil(count / rows));
  const room = Math.min((space + between) / columns - between, single ? smallest * 2 : Math.max(LARGEST, smallest) * (line ? 1.5 : wide), space) * density;
  let unit = room / w;
  if (unit >= 1) unit = Math.floor(unit) >= unit * 0.8 ? Math.floor(unit) : Math.floor(room) / w;
  return {
    columns,
    rows,
    width: Math.max(1, Math.floor(unit * w)),
    height: Math.max(h === 1 && !single ? Math.round(8 * density) : 1, Math.floor(unit * h)),
    gap: Math.round(between * density),
  };
}

/** The left upper corner of a map. */
export function tileOrigin(tiles: Tiles, unit: number): { x: number; y: number } {
  return {
    x: (unit % tiles.columns) * (tiles.width + tiles.gap),
    y: Math.floor(unit / tiles.columns) * (tiles.height + tiles.gap),
  };
}

/** The map, row and column under a point of the canvas; a gap belongs to the map before it. */
export function tileAt(
  tiles: Tiles,
  [count, h, w]: [number, number, number],
  x: number,
  y: number,
): { unit: number; row: number; column: number } | null {
  const across = Math.floor(x / (tiles.width + tiles.gap));
  const down = Math.floor(y / (tiles.height + tiles.gap));
  const unit = down * tiles.columns + across;
  if (x < 0 || y < 0 || across >= tiles.columns || unit >= count) return null;
  const from = tileOrigin(tiles, unit);
  const along = (offset: number, size: number, extent: number) =>
    Math.min(Math.floor((Math.min(offset, size - 1e-6) / size) * extent), extent - 1);
  return { unit, row: along(y - from.y, tiles.height, h), column: along(x - from.x, tiles.width, w) };
}
