/** Thumbnails of a job: sheets in several sizes, fetched when they are needed, and resampled to sizes between. */
import type { Schemas } from '../api';
import { inkOf, resample, type Part, type Tile } from './raster';

export type Level = Schemas['ThumbnailLevel'];

interface Sheet {
  bytes: Uint8Array;
  /** Of each thumbnail the part with ink. */
  parts: Part[];
  /** The picture on which it was drawn last. */
  used: number;
}

interface Page extends Sheet {
  /** Which thumbnails of the page are there. */
  done: Uint8Array;
}

/** Thumbnails that are resampled to one size share pages of so many. */
const PAGE_BITS = 8;
const PER_PAGE = 1 << PAGE_BITS;
const MAX_REQUESTS = 4;
/** Most bytes of sheets, the smallest size aside, and of resampled thumbnails. */
const MAX_SHEET_BYTES = 128e6;
const MAX_PAGE_BYTES = 64e6;
/** Milliseconds until a sheet that did not come is asked for again. */
const RETRY_DELAY = 5000;

const EMPTY: Part = { left: 0, top: 0, right: 0, bottom: 0 };

export class Sheets {
  /** Bytes of a pixel: the amount of ink, or red, green, blue and alpha. */
  readonly channels: number;
  /** What `find` has found. */
  readonly found: Tile = { bytes: new Uint8Array(0), at: 0, side: 0, ink: EMPTY };
  /** Grows with every sheet that comes. */
  version = 0;

  /** Sheets by level and number. */
  private readonly sheets: (Sheet | null)[][];
  /** Thumbnails that are resampled to a size, page by page. */
  private readonly sizes = new Map<number, (Page | null)[]>();
  private readonly requested = new Set<number>();
  private readonly pending = new Set<number>();
  private readonly stopped = new AbortController();
  private frame = 0;
  private side = 0;
  private level = 0;
  private pages: (Page | null)[] = [];

  /** @param levels the largest size first */
  constructor(
    private readonly url: (side: number, sheet: number) => string,
    readonly levels: readonly Level[],
    readonly ink: boolean,
    private readonly onload: () => void,
  ) {
    this.channels = ink ? 1 : 4;
    this.sheets = levels.map(({ sheets }) => Array<Sheet | null>(sheets).fill(null));
    const smallest = levels.length - 1;
    for (let sheet = 0; sheet < (levels[smallest] as Level).sheets; sheet++) this.request(smallest, sheet);
  }

  /** Ask for no more. */
  close(): void {
    this.stopped.abort();
  }

  /** Begin a picture: what is not drawn on it may be forgotten. */
  begin(): void {
    this.frame += 1;
    const sheets = this.sheets.slice(0, -1).flatMap((row) => row.map((one, at) => one && { one, forget: () => (row[at] = null) }));
    forget(sheets.filter((kept) => kept !== null), MAX_SHEET_BYTES, this.frame);
    const pages = [...this.sizes.values()].flatMap((row) => row.map((one, at) => one && { one, forget: () => (row[at] = null) }));
    forget(pages.filter((kept) => kept !== null), MAX_PAGE_BYTES, this.frame);
  }

  /** Choose the side in pixels of the thumbnails that are asked for next. */
  use(side: number): void {
    this.side = side;
    this.level = 0;
    // The smallest level that is at least as large.
    while (this.level < this.levels.length - 1 && (this.levels[this.level + 1] as Level).side >= side) this.level += 1;
    let pages = this.sizes.get(side);
    if (!pages) this.sizes.set(side, (pages = []));
    this.pages = pages;
  }

  /**
   * Find the best that is there of a thumbnail.
   *
   * @param may whether it may be resampled now, which takes a while
   * @returns 0 if nothing is there, 1 if it could be resampled, 2 if it is as good as it gets until a sheet comes
   */
  find(tile: number, may: boolean): 0 | 1 | 2 {
    const page = this.pages[tile >> PAGE_BITS];
    const slot = tile & (PER_PAGE - 1);
    if (page && page.done[slot] === 1) {
      this.take(page, slot, this.side);
      return 2;
    }
    const level = this.findLevel(tile);
    if (level < 0) return 0;
    // Another level stands in until the sheet comes, which is told.
    if (level !== this.level || this.found.side === this.side) return 2;
    if (!may) return 1;
    const made = page ?? this.newPage(tile >> PAGE_BITS);
    const at = slot * this.side * this.side * this.channels;
    resample(this.found.bytes, this.found.at, this.found.side, made.bytes, at, this.side, this.channels);
    made.parts[slot] = this.partOf(made.bytes, at, this.side);
    made.done[slot] = 1;
    this.take(made, slot, this.side);
    return 2;
  }

  /** Note as found the thumbnail of a sheet or page. */
  private take(sheet: Sheet, slot: number, side: number): void {
    sheet.used = this.frame;
    const { found } = this;
    found.bytes = sheet.bytes;
    found.at = slot * side * side * this.channels;
    found.side = side;
    found.ink = sheet.parts[slot] as Part;
  }

  private partOf(bytes: Uint8Array, at: number, side: number): Part {
    return this.ink ? inkOf(bytes, at, side) : EMPTY;
  }

  /** Find a thumbnail in the chosen level, or in the nearest whose sheet is there; returns the level, -1 for none. */
  private findLevel(tile: number): number {
    if (this.findInSheet(this.level, tile)) return this.level;
    this.request(this.level, this.sheetOf(this.level, tile));
    for (let away = 1; away < this.levels.length; away++) {
      if (this.findInSheet(this.level + away, tile)) return this.level + away;
      if (this.findInSheet(this.level - away, tile)) return this.level - away;
    }
    return -1;
  }

  private findInSheet(level: number, tile: number): boolean {
    const found = this.levels[level];
    if (!found) return false;
    const number = this.sheetOf(level, tile);
    const sheet = this.sheets[level]?.[number];
    if (!sheet) return false;
    this.take(sheet, tile - number * found.columns * found.columns, found.side);
    return true;
  }

  private sheetOf(level: number, tile: number): number {
    const { columns } = this.levels[level] as Level;
    return Math.floor(tile / (columns * columns));
  }

  private newSheet(bytes: Uint8Array, side: number): Sheet {
    const size = side * side * this.channels;
    const parts = Array.from({ length: Math.floor(bytes.length / size) }, (_, slot) => this.partOf(bytes, slot * size, side));
    return { bytes, parts, used: this.frame };
  }

  private newPage(number: number): Page {
    const bytes = new Uint8Array(PER_PAGE * this.side * this.side * this.channels);
    const page = { bytes, parts: Array<Part>(PER_PAGE).fill(EMPTY), done: new Uint8Array(PER_PAGE), used: this.frame };
    this.pages[number] = page;
    return page;
  }

  private request(level: number, sheet: number): void {
    const key = level * 2 ** 20 + sheet;
    if (this.requested.has(key)) return;
    this.pending.add(key);
    this.next();
  }

  private next(): void {
    while (this.requested.size < MAX_REQUESTS) {
      // The newest wish first: what is looked at now.
      const key = [...this.pending].at(-1);
      if (key === undefined) return;
      this.pending.delete(key);
      this.requested.add(key);
      void this.fetch(key);
    }
  }

  private async fetch(key: number): Promise<void> {
    const level = this.levels[Math.floor(key / 2 ** 20)] as Level;
    try {
      const response = await fetch(this.url(level.side, key % 2 ** 20), { signal: this.stopped.signal });
      if (!response.ok) throw new Error(response.statusText);
      const picture = await createImageBitmap(await response.blob(), { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
      const bytes = tilesOf(picture, level.side, this.channels);
      (this.sheets[Math.floor(key / 2 ** 20)] as (Sheet | null)[])[key % 2 ** 20] = this.newSheet(bytes, level.side);
      picture.close();
      this.version += 1;
      this.requested.delete(key);
      this.next();
      this.onload();
    } catch {
      // It stays asked for a while, so that a server that is away is not asked without end.
      setTimeout(() => {
        this.requested.delete(key);
        if (!this.stopped.signal.aborted) this.onload();
      }, RETRY_DELAY);
      this.next();
    }
  }
}

/** Forget what was not used lately, until the rest fits into so many bytes. */
function forget(kept: { one: Sheet; forget: () => void }[], most: number, frame: number): void {
  let total = kept.reduce((sum, { one }) => sum + one.bytes.length, 0);
  if (total <= most) return;
  for (const { one, forget } of kept.filter(({ one }) => one.used < frame - 1).sort((a, b) => a.one.used - b.one.used)) {
    if (total <= most) return;
    forget();
    total -= one.bytes.length;
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
