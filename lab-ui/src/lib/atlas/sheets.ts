/** Thumbnails of a job: sheets in several sizes, fetched when they are needed, and resampled to sizes between. */
import { resample } from './raster';

export interface Level {
  side: number;
  /** Thumbnails in a row of a sheet, and rows of it. */
  columns: number;
  sheets: number;
}

/** Pixels of one thumbnail: `source` from `at` on, a square of `side`. */
export interface Tile {
  source: Uint8Array;
  at: number;
  side: number;
  /** Whether nothing better can be had until another sheet comes. */
  final: boolean;
}

interface Page {
  bytes: Uint8Array;
  /** Which thumbnails of the page are there. */
  done: Uint8Array;
  used: number;
}

/** Thumbnails that are resampled to one size share pages of so many. */
const PER_PAGE = 256;
const AT_ONCE = 4;
/** Most bytes of sheets, the smallest size aside, and of resampled thumbnails. */
const MOST_SHEETS = 128e6;
const MOST_PAGES = 64e6;
/** Milliseconds until a sheet that did not come is asked for again. */
const AGAIN = 5000;

export class Sheets {
  /** Bytes of a pixel: the amount of ink, or red, green, blue and alpha. */
  readonly channels: number;
  /** The largest size first. */
  readonly levels: Level[];

  private readonly sheets = new Map<number, { bytes: Uint8Array; used: number }>();
  private readonly pages = new Map<number, Page>();
  private readonly asked = new Set<number>();
  private readonly wanted = new Set<number>();
  private readonly stopped = new AbortController();
  private turn = 0;

  constructor(
    private readonly url: (side: number, sheet: number) => string,
    levels: Level[],
    readonly ink: boolean,
    private readonly oncome: () => void,
  ) {
    this.levels = levels;
    this.channels = ink ? 1 : 4;
    const smallest = levels.length - 1;
    for (let sheet = 0; sheet < (levels[smallest] as Level).sheets; sheet++) this.want(smallest, sheet);
  }

  /** Ask for no more. */
  close(): void {
    this.stopped.abort();
  }

  /** Begin a picture: what is not drawn on it may be forgotten. */
  begin(): void {
    this.turn += 1;
    this.forget(this.sheets, MOST_SHEETS, (sheet) => sheet.bytes.length, (key) => Math.floor(key / 2 ** 20) === this.levels.length - 1);
    this.forget(this.pages, MOST_PAGES, (page) => page.bytes.length, () => false);
  }

  /**
   * The best that is there of a thumbnail for a size; null if nothing is.
   *
   * @param may whether it may be resampled now, which takes a while
   */
  tile(tile: number, side: number, may: boolean): Tile | null {
    const page = this.pages.get(this.pageKey(side, tile));
    const slot = tile % PER_PAGE;
    if (page?.done[slot]) {
      page.used = this.turn;
      return { source: page.bytes, at: slot * side * side * this.channels, side, final: true };
    }
    const wanted = this.levelFor(side);
    const level = this.loaded(wanted, tile);
    if (level < 0) return null;
    const found = this.original(level, tile);
    const from = (this.levels[level] as Level).side;
    // Another level stands in until the sheet comes, which is told.
    if (level !== wanted || from === side) return { ...found, final: true };
    if (!may) return { ...found, final: false };
    const made = page ?? this.newPage(side, tile);
    made.used = this.turn;
    made.done[slot] = 1;
    const at = slot * side * side * this.channels;
    resample(found.source, found.at, from, made.bytes, at, side, this.channels);
    return { source: made.bytes, at, side, final: true };
  }

  /** The smallest level that is at least as large as a side, else the largest. */
  private levelFor(side: number): number {
    for (let level = this.levels.length - 1; level > 0; level--) {
      if ((this.levels[level] as Level).side >= side) return level;
    }
    return 0;
  }

  /** The level nearest to the wanted one whose sheet with this thumbnail is there; asks for the wanted one. */
  private loaded(wanted: number, tile: number): number {
    if (this.sheets.has(this.sheetKey(wanted, tile))) return wanted;
    this.want(wanted, this.sheetOf(wanted, tile));
    for (let away = 1; away < this.levels.length; away++) {
      for (const level of [wanted + away, wanted - away]) {
        if (level >= 0 && level < this.levels.length && this.sheets.has(this.sheetKey(level, tile))) return level;
      }
    }
    return -1;
  }

  private original(level: number, tile: number): Omit<Tile, 'final'> {
    const { side, columns } = this.levels[level] as Level;
    const sheet = this.sheets.get(this.sheetKey(level, tile)) as { bytes: Uint8Array; used: number };
    sheet.used = this.turn;
    return { source: sheet.bytes, at: (tile % columns ** 2) * side * side * this.channels, side };
  }

  private sheetOf = (level: number, tile: number): number => Math.floor(tile / (this.levels[level] as Level).columns ** 2);
  private sheetKey = (level: number, tile: number): number => level * 2 ** 20 + this.sheetOf(level, tile);
  private pageKey = (side: number, tile: number): number => side * 2 ** 20 + Math.floor(tile / PER_PAGE);

  private newPage(side: number, tile: number): Page {
    const page = { bytes: new Uint8Array(PER_PAGE * side * side * this.channels), done: new Uint8Array(PER_PAGE), used: this.turn };
    this.pages.set(this.pageKey(side, tile), page);
    return page;
  }

  /** Forget what was not used lately, until the rest fits. */
  private forget<Kept extends { used: number }>(
    kept: Map<number, Kept>,
    most: number,
    size: (one: Kept) => number,
    stays: (key: number) => boolean,
  ): void {
    let total = 0;
    for (const [key, one] of kept) if (!stays(key)) total += size(one);
    if (total <= most) return;
    const old = [...kept].filter(([key, { used }]) => !stays(key) && used < this.turn - 1).sort(([, a], [, b]) => a.used - b.used);
    for (const [key, one] of old) {
      if (total <= most) return;
      kept.delete(key);
      total -= size(one);
    }
  }

  private want(level: number, sheet: number): void {
    const key = level * 2 ** 20 + sheet;
    if (this.asked.has(key) || this.sheets.has(key)) return;
    this.wanted.add(key);
    this.next();
  }

  private next(): void {
    while (this.asked.size < AT_ONCE) {
      // The newest wish first: what is looked at now.
      const key = [...this.wanted].at(-1);
      if (key === undefined) return;
      this.wanted.delete(key);
      this.asked.add(key);
      void this.fetch(key);
    }
  }

  private async fetch(key: number): Promise<void> {
    const level = this.levels[Math.floor(key / 2 ** 20)] as Level;
    try {
      const response = await fetch(this.url(level.side, key % 2 ** 20), { signal: this.stopped.signal });
      if (!response.ok) throw new Error(response.statusText);
      const picture = await createImageBitmap(await response.blob(), { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
      this.sheets.set(key, { bytes: tilesOf(picture, level.side, this.channels), used: this.turn });
      picture.close();
      this.asked.delete(key);
      this.next();
      this.oncome();
    } catch {
      // It stays asked for a while, so that a server that is away is not asked without end.
      setTimeout(() => {
        this.asked.delete(key);
        if (!this.stopped.signal.aborted) this.oncome();
      }, AGAIN);
      this.next();
    }
  }
}

/** The pixels of a sheet thumbnail by thumbnail, so that those of one lie together. */
function tilesOf(picture: ImageBitmap, side: number, channels: number): Uint8Array {
  const { width, height } = picture;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  context.drawImage(picture, 0, 0);
  return byTile(context.getImageData(0, 0, width, height).data, width, height, side, channels);
}

/** Reorder the pixels of a sheet: of RGBA, the first `channels` bytes of each. */
export function byTile(rgba: ArrayLike<number>, width: number, height: number, side: number, channels: number): Uint8Array {
  const columns = Math.floor(width / side);
  const rows = Math.floor(height / side);
  const out = new Uint8Array(columns * rows * side * side * channels);
  let at = 0;
  for (let tile = 0; tile < columns * rows; tile++) {
    const [left, top] = [(tile % columns) * side, Math.floor(tile / columns) * side];
    for (let row = 0; row < side; row++) {
      let from = ((top + row) * width + left) * 4;
      for (let column = 0; column < side; column++, from += 4) {
        for (let channel = 0; channel < channels; channel++) out[at++] = rgba[from + channel] as number;
      }
    }
  }
  return out;
}
