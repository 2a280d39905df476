/** Draws the map: the thumbnails in view, in the size of the zoom, on a canvas of device pixels. */
import type { Bins } from './bins';
import { toScreen, type Camera } from './camera';
import { drawColours, drawFrame, drawInk, fill, inkTable, type Raster } from './raster';
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

/** Milliseconds of a frame in which thumbnails may be resampled. */
const RESAMPLING_BUDGET = 4;
/** Thumbnails between two looks at the clock. */
const CLOCK_INTERVAL = 32;

export class Renderer {
  /** Thumbnails that were drawn last. */
  drawn = 0;

  private readonly context: CanvasRenderingContext2D;
  private image: ImageData | null = null;
  private raster: Raster = { width: 0, height: 0, pixels: new Uint32Array(0) };
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
    this.raster = { width, height, pixels: new Uint32Array(this.image.data.buffer) };
  }

  /** Draw a scene, then what `above` draws; returns whether it can be drawn better in a moment. */
  draw(scene: Scene, sheets: Sheets, above: (context: CanvasRenderingContext2D) => void): boolean {
    if (!this.image) return false;
    sheets.begin();
    this.raster.pixels.fill(scene.paper);
    const unfinished = this.thumbnails(scene, sheets);
    if (scene.focus >= 0) this.focus(scene, sheets);
    this.context.putImageData(this.image, 0, 0);
    above(this.context);
    return unfinished;
  }

  private thumbnails(scene: Scene, sheets: Sheets): boolean {
    const { xs, ys, least, zoom, camera, tiles, colours } = scene;
    const { width, height } = this.raster;
    const side = Math.max(2, Math.floor(scene.side));
    const half = side / 2;
    const count = this.inView(scene);
    const until = performance.now() + RESAMPLING_BUDGET;
    let may = !scene.zooming;
    let unfinished = false;
    let drawn = 0;
    this.style(sheets, side);
    for (let at = 0; at < count; at++) {
      const index = this.candidates[at] as number;
      if ((least[index] as number) > zoom) continue;
      const x = Math.round(((xs[index] as number) - camera.x) * camera.scale + width / 2 - half);
      const y = Math.round(((ys[index] as number) - camera.y) * camera.scale + height / 2 - half);
      if (x <= -side || y <= -side || x >= width || y >= height) continue;
      drawn += 1;
      if (may && drawn % CLOCK_INTERVAL === 0) may = performance.now() < until;
      if (!this.thumbnail(sheets, tiles[index] as number, x, y, side, colours[index] as number, may)) unfinished = true;
    }
    this.drawn = drawn;
    return unfinished;
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
    const found = sheets.find(tile, may);
    if (found === 0) {
      const dot = Math.max(1, side >> 2);
      fill(this.raster, x + ((side - dot) >> 1), y + ((side - dot) >> 1), dot, dot, colour);
      return true; // the sheet says when it comes
    }
    if (sheets.ink) drawInk(this.raster, sheets.source, sheets.at, sheets.from, x, y, side, colour, this.table);
    else {
      drawColours(this.raster, this.wordsOf(sheets.source), sheets.at / 4, sheets.from, x, y, side);
      drawFrame(this.raster, x, y, side, Math.max(1, side >> 4), colour);
    }
    return found === 2;
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

  /** Draw the one in focus on top, large enough to be seen. */
  private focus(scene: Scene, sheets: Sheets): void {
    const { focus, focusSide, camera, xs, ys } = scene;
    const at = toScreen(camera, this.raster, xs[focus] as number, ys[focus] as number);
    const side = Math.round(Math.max(focusSide, scene.side));
    const [x, y] = [Math.round(at.x - side / 2), Math.round(at.y - side / 2)];
    const edge = Math.max(2, Math.round(focusSide / 22));
    fill(this.raster, x - 2 * edge, y - 2 * edge, side + 4 * edge, side + 4 * edge, scene.focusColour);
    fill(this.raster, x - edge, y - edge, side + 2 * edge, side + 2 * edge, scene.paper);
    this.style(sheets, side);
    this.thumbnail(sheets, scene.tiles[focus] as number, x, y, side, scene.colours[focus] as number, true);
  }
}
