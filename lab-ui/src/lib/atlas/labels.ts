/** Names on the map: those of the classes, each at the median of its points. */
import { toScreen, type Camera, type Size } from './camera';

export interface Label {
  text: string;
  x: number;
  y: number;
}

interface Style {
  camera: Camera;
  size: Size;
  zoom: number;
  density: number;
  paper: string;
  ink: string;
  font: string;
}

/** Size of the letters in CSS pixels, and the zooms between which they fade: pictures speak for themselves. */
const FONT_SIZE = 17;
const FADE_START = 3;
const FADE_END = 9;
const MAX_LETTERS = 26;

/** The median of the points of each class, of those that are shown; null for classes without any. */
export function medians(
  labels: Int32Array,
  shown: Uint8Array,
  xs: Float32Array,
  ys: Float32Array,
  classes: number,
): ({ x: number; y: number; count: number } | null)[] {
  const inside: number[][] = Array.from({ length: classes }, () => []);
  labels.forEach((label, index) => {
    if (shown[index]) inside[label]?.push(index);
  });
  const middle = (values: Float32Array, of: number[]) =>
    Float32Array.from(of, (index) => values[index] as number).sort()[of.length >> 1] as number;
  return inside.map((of) => (of.length ? { x: middle(xs, of), y: middle(ys, of), count: of.length } : null));
}

type Box = [number, number, number, number];

/** Letters drawn once: outlines of letters take more time than all thumbnails. */
interface Drawn {
  picture: HTMLCanvasElement;
  width: number;
}

/** Names that are kept, drawn; those of more classes than any map shows at a time. */
const MAX_DRAWN = 200;
const drawn = new Map<string, Drawn>();

/** The picture of a name, with an edge in the colour of the paper. */
function drawnName(text: string, { density, paper, ink, font }: Style): Drawn {
  const key = [text, density, paper, ink, font].join('\n');
  const known = drawn.get(key);
  if (known) return known;
  if (drawn.size >= MAX_DRAWN) drawn.clear();
  const picture = document.createElement('canvas');
  const context = picture.getContext('2d') as CanvasRenderingContext2D;
  const [high, edge] = [FONT_SIZE * density, 5 * density];
  const set = () => {
    context.font = `650 ${high}px ${font}`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.lineJoin = 'round';
  };
  set();
  const { width } = context.measureText(text);
  [picture.width, picture.height] = [Math.ceil(width + 2 * edge), Math.ceil(2 * high)];
  set(); // another size has forgotten it
  context.lineWidth = edge;
  context.strokeStyle = paper;
  context.strokeText(text, picture.width / 2, high);
  context.fillStyle = ink;
  context.fillText(text, picture.width / 2, high);
  const made = { picture, width };
  drawn.set(key, made);
  return made;
}

/** Draw names, the first ones first; one that would cover another, or a box that is taken, is left out. */
export function drawLabels(context: CanvasRenderingContext2D, labels: readonly Label[], style: Style, boxes: readonly Box[]): void {
  const { camera, size, zoom, density } = style;
  const strength = Math.min(1, (FADE_END - zoom) / (FADE_END - FADE_START));
  if (strength <= 0) return;
  const high = FONT_SIZE * density;
  context.globalAlpha = strength;
  const taken = [...boxes];
  for (const label of labels) {
    const text = label.text.length > MAX_LETTERS ? `${label.text.slice(0, MAX_LETTERS - 1)}…` : label.text;
    const { x, y } = toScreen(camera, size, label.x, label.y);
    const { picture, width } = drawnName(text, style);
    const half = width / 2 + 4 * density;
    const box: Box = [x - half, y - high * 0.7, x + half, y + high * 0.7];
    const outside = box[2] < 0 || box[3] < 0 || box[0] > size.width || box[1] > size.height;
    if (outside || taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
    taken.push(box);
    // On whole pixels, so that letters are not smeared.
    context.drawImage(picture, Math.round(x - picture.width / 2), Math.round(y - picture.height / 2));
  }
  context.globalAlpha = 1;
}
