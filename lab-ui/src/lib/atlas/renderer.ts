/** Draws the map: the thumbnails in view, in the size of the zoom, on a canvas of device pixels. */
import type { Bins } from './bins';
import { toScreen, type Camera } from './camera';
import { drawColours, drawFrame, drawInk, enlarge, exposed, fill, inkTable, shift, type Part, type Raster } from './raster';
import type { Level, Sheets } from './sheets';

export interface Scene {
  xs: Float32Array;
  ys: Float32Array;
  /** Null while the points move: all of them are looked at. */
  bins: Bins | null;
  /** The least zoom at which each is drawn; infinite for those that are hidden. */
  least: Float32Array;
  zoom: number;
  /** Number of the thumbnail of each. */
  tiles: Int32Array;
  colours: Uint32Array;
  camera: Camera;
  /** Side of a thumbnail in device pixels. */
  side: number;
  paper: number;
  /** The one that is pointed at or chosen; -1 for none. */
  focus: number;
  focusSide: number;
  focusColour: number;
  /** Whether the zoom changes: thumbnails are then not resampled, as in the next picture they have another size. */
  zooming: boolean;
}

const NOTHING: Part = { left: 0, top: 0, right: 0, bottom: 0 };
/** Milliseconds of a frame in which thumbnails may be resampled: of one in which the map moves, and at rest. */
const MOVING_BUDGET = 2;
const RESTING_BUDGET = 7;
/** Milliseconds after which a map at rest shows what was resampled, though not everything is. */
const REDRAW_INTERVAL = 250;
/** Milliseconds of a slow picture, and how many of them make the next ones of a zoom coarse: pixels of 2x2. */
const SLOW = 8;
const SLOW_PICTURES = 3;
/** Thumbnails between two looks at the clock. */
const CLOCK_INTERVAL = 32;

/** What a picture shows, and where the world's corner lies on it, in whole pixels. */
interface Picture {
  scene: Scene;
  version: number;
  x: number;
  y: number;
  /** Whether some of its thumbnails could be resampled. */
  unfinished: boolean;
  /** Whether it has been drawn in half the size, and enlarged. */
  coarse: boolean;
}

export class Renderer {
  /** Thumbnails that were drawn last. */
  drawn = 0;

  private readonly context: CanvasRenderingContext2D;
  private image: ImageData | null = null;
  private raster: Raster = { width: 0, height: 0, pixels: new Uint32Array(0), part: NOTHING };
  /** Of half the width and height. */
  private small: Raster = this.raster;
  private slowPictures = 0;
  private picture: Picture | null = null;
  /** When it was drawn anew. */
  private renewed = 0;
  private candidates = new Int32Array(0);
  private table = inkTable(1);
  private readonly tables = new Map<number, Uint8Array>();
  private readonly words = new WeakMap<Uint8Array, Uint32Array>();

  constructor(readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D;
  }

  /** Take another size, in device pixels. */
  resize(width: number, height: number): void {
    if (this.raster.width === width && this.raster.height === height) return;
    [this.canvas.width, this.canvas.height] = [width, height];
    this.image = new ImageData(width, height);
    this.raster = { width, height, pixels: new Uint32Array(this.image.data.buffer), part: NOTHING };
    const [half, low] = [(width + 1) >> 1, (height + 1) >> 1];
    this.small = { width: half, height: low, pixels: new Uint32Array(half * low), part: NOTHING };
    this.picture = null;
  }

  /** Draw a scene, then what `above` draws; returns whether it can be drawn better in a moment. */
  draw(scene: Scene, sheets: Sheets, above: (context: CanvasRenderingContext2D) => void): boolean {
    if (!this.image) return false;
    sheets.begin();
    const { camera } = scene;
    const { width, height } = this.raster;
    const x = Math.round(width / 2 - camera.x * camera.scale);
    const y = Math.round(height / 2 - camera.y * camera.scale);
    const next = { scene, version: sheets.version, x, y, unfinished: false, coarse: false };
    if (!this.picture || !isMoved(this.picture, next, this.raster)) this.renew(next, sheets);
    else {
      const [dx, dy] = [x - this.picture.x, y - this.picture.y];
      next.unfinished = this.picture.unfinished;
      if (dx !== 0 || dy !== 0) {
        shift(this.raster, dx, dy);
        this.thumbnails(next, sheets, exposed(this.raster, dx, dy), performance.now() + MOVING_BUDGET);
      } else if (next.unfinished && !scene.zooming) {
        const finished = this.resampled(scene, sheets, performance.now() + RESTING_BUDGET);
        if (finished || performance.now() - this.renewed > REDRAW_INTERVAL) this.renew(next, sheets);
      }
    }
    this.picture = next;
    const covered = this.focus(scene, sheets);
    this.context.putImageData(this.image, 0, 0);
    covered?.();
    above(this.context);
    return next.unfinished;
  }

  /** Draw all of a picture; coarsely where that takes too long for a zoom to be smooth. */
  private renew(picture: Picture, sheets: Sheets): void {
    const { zooming } = picture.scene;
    picture.unfinished = false;
    picture.coarse = zooming && this.slowPictures >= SLOW_PICTURES;
    const began = performance.now();
    if (picture.coarse) this.drawCoarsely(picture, sheets);
    else this.thumbnails(picture, sheets, [wholeOf(this.raster)], 0);
    this.renewed = performance.now();
    if (!zooming) this.slowPictures = 0;
    else if (!picture.coarse) this.slowPictures = Math.max(0, this.slowPictures + (this.renewed - began > SLOW ? 1 : -1));
  }

  private drawCoarsely(picture: Picture, sheets: Sheets): void {
    const { scene, x, y } = picture;
    const full = this.raster;
    const camera = { ...scene.camera, scale: scene.camera.scale / 2 };
    this.raster = this.small;
    this.thumbnails({ ...picture, scene: { ...scene, camera, side: scene.side / 2 }, x: x >> 1, y: y >> 1 }, sheets, [wholeOf(this.small)], 0);
    this.raster = full;
    enlarge(this.small, full);
  }

  /** Resample the thumbnails near the view until a time; returns whether all of them are. */
  private resampled(scene: Scene, sheets: Sheets, until: number): boolean {
    const count = this.inView(scene);
    sheets.use(sideOf(scene));
    for (let at = 0; at < count; at++) {
      const index = this.candidates[at] as number;
      if ((scene.least[index] as number) > scene.zoom) continue;
      sheets.find(scene.tiles[index] as number, true);
      if (at % CLOCK_INTERVAL === 0 && performance.now() > until) return false;
    }
    return true;
  }

  /** Draw the thumbnails in parts of a picture, and resample them until a time. */
  private thumbnails(picture: Picture, sheets: Sheets, parts: readonly Part[], until: number): void {
    const { scene } = picture;
    const { xs, ys, least, zoom, tiles, colours } = scene;
    const { scale } = scene.camera;
    const { raster } = this;
    const side = sideOf(scene);
    const half = side / 2;
    const count = this.inView(scene);
    let may = !scene.zooming && performance.now() < until;
    let drawn = 0;
    this.style(sheets, side);
    for (const part of parts) {
      raster.part = part;
      fill(raster, part.left, part.top, part.right, part.bottom, scene.paper);
    }
    for (let at = 0; at < count; at++) {
      const index = this.candidates[at] as number;
      if ((least[index] as number) > zoom) continue;
      const x = Math.round((xs[index] as number) * scale - half) + picture.x;
      const y = Math.round((ys[index] as number) * scale - half) + picture.y;
      if (x <= -side || y <= -side || x >= raster.width || y >= raster.height) continue;
      drawn += 1;
      if (may && drawn % CLOCK_INTERVAL === 0) may = performance.now() < until;
      for (const part of parts) {
        if (x + side <= part.left || y + side <= part.top || x >= part.right || y >= part.bottom) continue;
        raster.part = part;
        if (!this.thumbnail(sheets, tiles[index] as number, x, y, side, colours[index] as number, may)) picture.unfinished = true;
      }
    }
    this.drawn = drawn;
  }

  /** Write the points near the view to `candidates`. */
  private inView({ xs, bins, camera, side }: Scene): number {
    if (this.candidates.length !== xs.length) this.candidates = new Int32Array(xs.length);
    if (!bins) {
      for (let index = 0; index < xs.length; index++) this.candidates[index] = index;
      return xs.length;
    }
    const across = (this.raster.width / 2 + side) / camera.scale;
    const down = (this.raster.height / 2 + side) / camera.scale;
    return bins.within(camera.x - across, camera.y - down, camera.x + across, camera.y + down, this.candidates);
  }

  /** Draw one thumbnail; returns whether it is as good as it gets. */
  private thumbnail(sheets: Sheets, tile: number, x: number, y: number, side: number, colour: number, may: boolean): boolean {
    const quality = sheets.find(tile, may);
    if (quality === 0) {
      const dot = Math.max(1, side >> 2);
      fill(this.raster, x + ((side - dot) >> 1), y + ((side - dot) >> 1), dot, dot, colour);
      return true; // the sheet says when it comes
    }
    const { found } = sheets;
    if (sheets.ink) drawInk(this.raster, found, x, y, side, colour, this.table);
    else {
      drawColours(this.raster, this.wordsOf(found.bytes), found, x, y, side);
      drawFrame(this.raster, x, y, side, Math.max(1, side >> 4), colour);
    }
    return quality === 2;
  }

  /** Choose the size of the thumbnails that are drawn next. */
  private style(sheets: Sheets, side: number): void {
    sheets.use(side);
    let found = this.tables.get(side);
    if (!found) this.tables.set(side, (found = inkTable(side / (sheets.levels[0] as Level).side)));
    this.table = found;
  }

  private wordsOf(bytes: Uint8Array): Uint32Array {
    let found = this.words.get(bytes);
    if (!found) this.words.set(bytes, (found = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)));
    return found;
  }

  /** Draw the one in focus on top, large enough to be seen; returns what puts back the pixels that it covers. */
  private focus(scene: Scene, sheets: Sheets): (() => void) | null {
    const { focus, focusSide, camera, xs, ys } = scene;
    if (focus < 0) return null;
    const { raster } = this;
    const at = toScreen(camera, raster, xs[focus] as number, ys[focus] as number);
    const side = Math.round(Math.max(focusSide, scene.side));
    const [x, y] = [Math.round(at.x - side / 2), Math.round(at.y - side / 2)];
    const edge = Math.max(2, Math.round(focusSide / 22));
    const rows = [y - 2 * edge, y + side + 2 * edge].map((row) => Math.min(Math.max(row, 0), raster.height));
    const [from, to] = rows.map((row) => row * raster.width) as [number, number];
    const before = raster.pixels.slice(from, to);
    raster.part = wholeOf(raster);
    fill(raster, x - 2 * edge, y - 2 * edge, side + 4 * edge, side + 4 * edge, scene.focusColour);
    fill(raster, x - edge, y - edge, side + 2 * edge, side + 2 * edge, scene.paper);
    this.style(sheets, side);
    this.thumbnail(sheets, scene.tiles[focus] as number, x, y, side, scene.colours[focus] as number, true);
    return () => raster.pixels.set(before, from);
  }
}

const wholeOf = ({ width, height }: Raster): Part => ({ left: 0, top: 0, right: width, bottom: height });

/** Side of a thumbnail, in whole pixels. */
const sideOf = (scene: Scene): number => Math.max(2, Math.floor(scene.side));

/** Whether a picture differs from the last one only in its place, if at all: then most pixels of that are kept. */
function isMoved(last: Picture, next: Picture, { width, height }: Raster): boolean {
  const [a, b] = [last.scene, next.scene];
  return (
    b.bins !== null &&
    a.bins === b.bins &&
    a.least === b.least &&
    a.tiles === b.tiles &&
    a.colours === b.colours &&
    a.paper === b.paper &&
    a.side === b.side &&
    a.camera.scale === b.camera.scale &&
    last.version === next.version &&
    (!last.coarse || b.zooming) &&
    Math.abs(next.x - last.x) < width &&
    Math.abs(next.y - last.y) < height
  );
}
