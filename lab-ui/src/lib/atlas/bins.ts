/** Points in square bins: those in view, and the nearest one, without a look at all of them. */

/** Bins along the longer side of the world. */
const ALONG = 64;

export class Bins {
  private readonly columns: number;
  private readonly rows: number;
  private readonly side: number;
  /** The points bin by bin, row by row. */
  private readonly order: Int32Array;
  private readonly begin: Int32Array;

  constructor(
    private readonly xs: Float32Array,
    private readonly ys: Float32Array,
    world: { width: number; height: number },
  ) {
    this.side = Math.max(world.width, world.height) / ALONG;
    this.columns = Math.max(1, Math.ceil(world.width / this.side));
    this.rows = Math.max(1, Math.ceil(world.height / this.side));
    const bins = Int32Array.from(xs, (x, index) => this.bin(x, ys[index] as number));
    this.begin = new Int32Array(this.columns * this.rows + 1);
    for (const bin of bins) (this.begin[bin + 1] as number)++;
    for (let bin = 0; bin < this.columns * this.rows; bin++) {
      this.begin[bin + 1] = (this.begin[bin + 1] as number) + (this.begin[bin] as number);
    }
    const next = this.begin.slice();
    this.order = new Int32Array(xs.length);
    bins.forEach((bin, index) => {
      this.order[next[bin] as number] = index;
      next[bin] = (next[bin] as number) + 1;
    });
  }

  private column = (x: number): number => Math.min(this.columns - 1, Math.max(0, Math.floor(x / this.side)));
  private row = (y: number): number => Math.min(this.rows - 1, Math.max(0, Math.floor(y / this.side)));
  private bin = (x: number, y: number): number => this.row(y) * this.columns + this.column(x);

  /** Write the points of all bins that a rectangle touches to `out`; returns how many. */
  within(x0: number, y0: number, x1: number, y1: number, out: Int32Array): number {
    let count = 0;
    const [left, right] = [this.column(x0), this.column(x1)];
    for (let row = this.row(y0); row <= this.row(y1); row++) {
      // The bins of a row lie side by side in the order.
      const from = this.begin[row * this.columns + left] as number;
      const to = this.begin[row * this.columns + right + 1] as number;
      out.set(this.order.subarray(from, to), count);
      count += to - from;
    }
    return count;
  }

  /** The nearest of the points that are accepted, not farther than `radius` along either axis; -1 for none. */
  nearest(x: number, y: number, radius: number, accept: (index: number) => boolean): number {
    let [best, least] = [-1, Number.POSITIVE_INFINITY];
    for (let row = this.row(y - radius); row <= this.row(y + radius); row++) {
      const from = this.begin[row * this.columns + this.column(x - radius)] as number;
      const to = this.begin[row * this.columns + this.column(x + radius) + 1] as number;
      for (let at = from; at < to; at++) {
        const index = this.order[at] as number;
        const [dx, dy] = [Math.abs((this.xs[index] as number) - x), Math.abs((this.ys[index] as number) - y)];
        const apart = dx * dx + dy * dy;
        if (dx <= radius && dy <= radius && apart < least && accept(index)) [best, least] = [index, apart];
      }
    }
    return best;
  }

  /** The nearest accepted point in a direction: within 45 degrees of it, and never the point itself. */
  towards(index: number, dx: number, dy: number, accept: (index: number) => boolean): number {
    const [x, y] = [this.xs[index] as number, this.ys[index] as number];
    const ahead = (other: number): boolean => {
      const [ex, ey] = [(this.xs[other] as number) - x, (this.ys[other] as number) - y];
      const along = ex * dx + ey * dy;
      return other !== index && along > 0 && Math.abs(ex * dy - ey * dx) <= along && accept(other);
    };
    for (let radius = this.side; radius < 2 * ALONG * this.side; radius *= 2) {
      const found = this.nearest(x, y, radius, ahead);
      if (found >= 0) return found;
    }
    return -1;
  }
}
