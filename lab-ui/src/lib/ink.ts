/** Strokes on a pad: what the eye sees, smooth and sharp, and the grey values that the network gets. */

export interface Point {
  x: number;
  y: number;
}

export type Stroke = Point[];

/** Samples across one pixel of the input; their mean is the pixel's grey. */
const SUPERSAMPLE = 4;
/** Width of the pen in parts of the shorter side: about two pixels of 28, as in MNIST. */
const PEN = 0.085;
const SHOWN = 560;

/** A printed seven with its bar leaning, as a hand would write it; in a square of side 1. */
export const SEVEN: Stroke[] = [
  [
    { x: 0.27, y: 0.27 },
    { x: 0.5, y: 0.265 },
    { x: 0.73, y: 0.26 },
    { x: 0.68, y: 0.38 },
    { x: 0.58, y: 0.56 },
    { x: 0.5, y: 0.72 },
    { x: 0.46, y: 0.82 },
  ],
];

export class Ink {
  private strokes: Stroke[] = [];
  private readonly shown: CanvasRenderingContext2D;
  private readonly grey: CanvasRenderingContext2D;

  /** Draw on a canvas for an input of `height` x `width` pixels; points are in pixels of the input. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly height: number,
    private readonly width: number,
  ) {
    canvas.width = SHOWN;
    canvas.height = (SHOWN * height) / width;
    const small = document.createElement('canvas');
    small.width = width * SUPERSAMPLE;
    small.height = height * SUPERSAMPLE;
    this.shown = context(canvas, false);
    this.grey = context(small, true);
    this.clear();
  }

  clear(): void {
    this.strokes = [];
    this.shown.clearRect(0, 0, this.shown.canvas.width, this.shown.canvas.height);
    this.grey.clearRect(0, 0, this.grey.canvas.width, this.grey.canvas.height);
  }

  /** Draw again, in the colour that the pad has now. */
  repaint(): void {
    const strokes = this.strokes;
    this.clear();
    for (const stroke of strokes) this.draw(stroke, stroke.length);
    this.strokes = strokes;
  }

  /** A whole stroke in a square of side 1. */
  stroke(stroke: Stroke): void {
    const points = stroke.map(({ x, y }) => ({ x: x * this.width, y: y * this.height }));
    this.strokes.push(points);
    this.draw(points, points.length);
  }

  begin(point: Point): void {
    this.strokes.push([point]);
    this.draw([point], 1);
  }

  extend(point: Point): void {
    const stroke = this.strokes.at(-1);
    if (!stroke) return this.begin(point);
    stroke.push(point);
    this.draw(stroke, 3);
  }

  /** The grey values of the input, row by row: 0 is no ink, 255 is full ink; centred as the digits of MNIST are. */
  pixels(): Uint8Array {
    const { width, height } = this.grey.canvas;
    const shown = averaged(this.grey.getImageData(0, 0, width, height).data, this.height, this.width);
    return centred(shown, this.height, this.width);
  }

  /** The last points of a stroke, on both canvases, as a curve through the middles between points. */
  private draw(stroke: Stroke, last: number): void {
    for (const [to, scale] of [
      [this.shown, this.shown.canvas.width / this.width],
      [this.grey, SUPERSAMPLE],
    ] as const) {
      to.strokeStyle = to === this.shown ? getComputedStyle(this.canvas).color : '#000';
      to.lineWidth = PEN * Math.min(this.width, this.height) * scale;
      trace(to, stroke.slice(Math.max(0, stroke.length - last - 1)), scale, stroke.length <= last + 1);
    }
  }
}

function trace(to: CanvasRenderingContext2D, points: Stroke, scale: number, whole: boolean): void {
  const first = points[0];
  const end = points.at(-1);
  if (!first || !end) return;
  to.beginPath();
  const second = points[1];
  if (whole || !second) to.moveTo(first.x * scale, first.y * scale);
  else to.moveTo(((first.x + second.x) / 2) * scale, ((first.y + second.y) / 2) * scale);
  for (let index = 1; index < points.length - 1; index++) {
    const [here, next] = [points[index] as Point, points[index + 1] as Point];
    to.quadraticCurveTo(here.x * scale, here.y * scale, ((here.x + next.x) / 2) * scale, ((here.y + next.y) / 2) * scale);
  }
  to.lineTo(end.x * scale + (points.length === 1 ? 0.01 : 0), end.y * scale);
  to.stroke();
}

function context(canvas: HTMLCanvasElement, read: boolean): CanvasRenderingContext2D {
  const made = canvas.getContext('2d', { willReadFrequently: read });
  if (!made) throw new Error('this browser draws no canvas');
  made.lineCap = 'round';
  made.lineJoin = 'round';
  return made;
}

/** The mean opacity of each block of samples. */
export function averaged(rgba: Uint8ClampedArray, height: number, width: number): Uint8Array {
  const side = SUPERSAMPLE;
  const grey = new Uint8Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let dy = 0; dy < side; dy++) {
        const row = ((y * side + dy) * width + x) * side;
        for (let dx = 0; dx < side; dx++) sum += rgba[(row + dx) * 4 + 3] ?? 0;
      }
      grey[y * width + x] = Math.round(sum / (side * side));
    }
  }
  return grey;
}

/** The picture moved by whole pixels, so that the centre of mass of its ink is in the middle; none of it is lost. */
export function centred(grey: Uint8Array, height: number, width: number): Uint8Array {
  const rows = new Float64Array(height);
  const columns = new Float64Array(width);
  for (const [index, value] of grey.entries()) {
    rows[Math.floor(index / width)]! += value;
    columns[index % width]! += value;
  }
  const [down, right] = [shift(rows), shift(columns)];
  if (down === 0 && right === 0) return grey;
  const moved = new Uint8Array(grey.length);
  for (const [index, value] of grey.entries()) {
    if (value > 0) moved[index + down * width + right] = value;
  }
  return moved;
}

/** By how many places a profile of ink moves, without leaving its frame. */
function shift(profile: Float64Array): number {
  const total = profile.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 0;
  const mass = profile.reduce((sum, value, at) => sum + value * at, 0) / total;
  const first = profile.findIndex((value) => value > 0);
  const last = profile.length - 1 - [...profile].reverse().findIndex((value) => value > 0);
  return Math.min(Math.max(Math.round(profile.length / 2 - mass), -first), profile.length - 1 - last);
}
