/** Which thumbnails are drawn at which zoom, so that none hides another: the level of detail of a crowded map. */

/**
 * The least zoom at which each point is drawn.
 *
 * At each zoom, from the smallest on, points are added in their order as long as none that is there already is
 * nearer than `spacing`. What never has room is drawn at the last zoom.
 *
 * @param shown which points there are at all
 * @param zooms from the smallest to the largest
 * @param spacing least distance of two points at a zoom, in the world's units; it must not grow with the zoom
 */
export function thinned(
  xs: Float32Array,
  ys: Float32Array,
  shown: Uint8Array,
  zooms: readonly number[],
  spacing: (zoom: number) => number,
): Float32Array {
  const least = new Float32Array(xs.length).fill(Number.POSITIVE_INFINITY);
  let waiting = order(xs.length).filter((index) => shown[index]);
  const placed: number[] = [];
  for (const zoom of zooms) {
    const apart = spacing(zoom);
    const cells = new Map<number, number[]>();
    const cell = (index: number) => key(Math.floor((xs[index] as number) / apart), Math.floor((ys[index] as number) / apart));
    const put = (index: number) => {
      const at = cell(index);
      const there = cells.get(at);
      if (there) there.push(index);
      else cells.set(at, [index]);
    };
    placed.forEach(put);
    waiting = waiting.filter((index) => {
      if (crowded(index, xs, ys, apart, cells)) return true;
      put(index);
      placed.push(index);
      least[index] = zoom;
      return false;
    });
  }
  const last = zooms.at(-1) ?? 0;
  for (const index of waiting) least[index] = last;
  return least;
}

const key = (column: number, row: number): number => row * 0x10_0000 + column;

function crowded(index: number, xs: Float32Array, ys: Float32Array, apart: number, cells: Map<number, number[]>): boolean {
  const [x, y] = [xs[index] as number, ys[index] as number];
  const [column, row] = [Math.floor(x / apart), Math.floor(y / apart)];
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      for (const other of cells.get(key(column + dx, row + dy)) ?? []) {
        if (Math.max(Math.abs((xs[other] as number) - x), Math.abs((ys[other] as number) - y)) < apart) return true;
      }
    }
  }
  return false;
}

/** All indices in an order that looks random and is always the same: a stride that shares no factor. */
function order(count: number): number[] {
  let stride = Math.max(1, Math.floor(count * 0.618));
  while (count > 1 && divisor(stride, count) !== 1) stride += 1;
  return Array.from({ length: count }, (_, index) => (index * stride) % count);
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
