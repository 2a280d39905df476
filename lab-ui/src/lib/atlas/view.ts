/** The map on its canvas: pan, zoom, pick, and the way from one arrangement to another. */
import { Bins } from './bins';
import { clamped, fitted, panned, same, toScreen, toWorld, towards, zoomed, type Camera, type Limits, type Size } from './camera';
import { drawLabels, type Label } from './labels';
import { pixelOf } from './palette';
import { Renderer } from './renderer';
import { scaleOf, WORLD, type Arrangement, type Scale } from './scale';
import type { Sheets } from './sheets';
import { thinned } from './thinning';

export interface Points {
  xs: Float32Array;
  ys: Float32Array;
}

export interface Events {
  /** What is pointed at, else what is chosen; -1 for nothing. */
  onfocus: (index: number) => void;
  onchoose: (index: number) => void;
  onopen: (index: number) => void;
  /** After each picture: how many thumbnails it has, and the zoom. */
  ondraw: (drawn: number, zoom: number) => void;
}

/** Milliseconds in which a movement covers two thirds of its way; of a change of arrangement in all. */
const PACE = 70;
const CHANGE = 650;
/** Milliseconds for which the map goes on after a drag, at the speed it had. */
const GLIDE = 140;
/** CSS pixels: what a finger may slip in a tap, a step of an arrow, a thumbnail in focus, the margin. */
const SLIP = 5;
const STEP = 90;
const FOCUSED = 52;
const MARGIN = 22;
/** Thumbnails of single pixels are enlarged to so many CSS pixels; others to those that they have. */
const ENLARGED = 112;
const FEW_PIXELS = 48;
/** Zoom factor of a button or key, and of one pixel of a wheel or a pinch of a touchpad. */
export const ZOOM = 1.6;
const WHEEL = 0.0016;
const PINCH = 0.01;
const MOST_DENSITY = 2;
/** Change of the scale in a frame below which the zoom has come to rest. */
const STEADY = 1e-3;

export class MapView {
  arrangement: Arrangement = 'map';
  labels: Label[] = [];
  hover = -1;
  chosen = -1;

  private readonly renderer: Renderer;
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)');
  private size: Size = { width: 1, height: 1 };
  private density = 1;
  private camera: Camera = { x: WORLD.width / 2, y: WORLD.height / 2, scale: 1 };
  private target: Camera = this.camera;
  private fit = 1;
  private scale: Scale;
  private grid: [number, number] = [1, 1];
  private xs: Float32Array = new Float32Array(0);
  private ys: Float32Array = new Float32Array(0);
  private from: Points | null = null;
  private goal: Points = { xs: this.xs, ys: this.ys };
  private began = 0;
  private before: Scale | null = null;
  private bins: Bins | null = null;
  private shown: Uint8Array = new Uint8Array(0);
  private least: Float32Array = new Float32Array(0);
  /** How many are shown. */
  private count = 0;
  private tiles: Int32Array = new Int32Array(0);
  private colours: Uint32Array = new Uint32Array(0);
  private theme = { paper: '#ffffff', ink: '#000000', accent: '#22577f', font: 'sans-serif' };
  private asked = 0;
  private last = 0;
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private press: { x: number; y: number; moved: boolean } | null = null;
  private speed = { x: 0, y: 0, at: 0 };

  /** @param surface what hears pointer and keys: it has the focus and the extent of the canvas */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly surface: HTMLElement,
    private readonly sheets: Sheets,
    private readonly events: Events,
  ) {
    this.renderer = new Renderer(canvas);
    this.scale = this.scaleNow();
  }

  /** Listen to pointer, wheel and keys, until the returned function is called. */
  listen(): () => void {
    const gone = new AbortController();
    const on = <Kind extends keyof HTMLElementEventMap>(kind: Kind, heard: (event: HTMLElementEventMap[Kind]) => void) =>
      this.surface.addEventListener(kind, heard, { signal: gone.signal, passive: false });
    on('pointerdown', (event) => this.down(event));
    on('pointermove', (event) => this.move(event));
    on('pointerup', (event) => this.up(event));
    on('pointercancel', (event) => this.up(event, true));
    on('pointerleave', () => this.point(-1));
    on('wheel', (event) => this.wheel(event));
    on('dblclick', () => this.chosen >= 0 && this.events.onopen(this.chosen));
    on('keydown', (event) => this.key(event));
    const resized = new ResizeObserver(() => this.resize());
    resized.observe(this.canvas);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', () => this.restyle(), { signal: gone.signal });
    this.restyle();
    this.resize();
    return () => {
      gone.abort();
      resized.disconnect();
      cancelAnimationFrame(this.asked);
      this.asked = -1;
    };
  }

  /** What is on the map; drawn after `arrange`. */
  fill(tiles: Int32Array, grid: [number, number]): void {
    this.tiles = tiles;
    this.grid = grid;
    this.shown = new Uint8Array(tiles.length).fill(1);
    this.count = tiles.length;
    this.colours = new Uint32Array(tiles.length).fill(pixelOf('#808080'));
    this.chosen = this.hover = -1;
  }

  /** Put every thumbnail at its place, at once or, where there were others, on its way there. */
  arrange(points: Points, arrangement: Arrangement): void {
    const moves = this.xs.length === points.xs.length && !this.calm.matches;
    this.before = moves ? this.scale : null;
    this.from = moves ? { xs: this.xs.slice(), ys: this.ys.slice() } : null;
    this.goal = points;
    this.arrangement = arrangement;
    this.began = performance.now();
    this.bins = null;
    this.xs = moves ? this.xs.slice() : points.xs;
    this.ys = moves ? this.ys.slice() : points.ys;
    this.rescale();
    if (!moves) this.settle();
    this.draw();
  }

  /** Show some, 1, and hide the others, 0. */
  show(shown: Uint8Array): void {
    this.shown = shown;
    this.count = shown.reduce((sum, one) => sum + one, 0);
    this.rescale();
    if (this.chosen >= 0 && !shown[this.chosen]) this.choose(-1);
    this.hover = -1;
    this.thin();
    this.draw();
  }

  paint(colours: Uint32Array): void {
    this.colours = colours;
    this.draw();
  }

  zoomBy(factor: number, at = { x: this.size.width / 2, y: this.size.height / 2 }): void {
    this.go(zoomed(this.target, this.size, at, factor, this.limits));
  }

  pan(dx: number, dy: number): void {
    this.go(panned(this.target, -dx * this.density, -dy * this.density, this.limits));
  }

  whole(): void {
    this.go(fitted(WORLD, this.size, MARGIN * this.density));
  }

  /** Choose one, and bring it into view where it is not. */
  choose(index: number): void {
    this.chosen = index;
    if (index >= 0) {
      const at = toScreen(this.target, this.size, this.goal.xs[index] as number, this.goal.ys[index] as number);
      const edge = FOCUSED * this.density;
      const outside = at.x < edge || at.y < edge || at.x > this.size.width - edge || at.y > this.size.height - edge;
      if (outside) {
        const [x, y] = [this.goal.xs[index] as number, this.goal.ys[index] as number];
        this.go(clamped({ x, y, scale: this.target.scale }, this.limits));
      }
    }
    this.events.onchoose(index);
    this.tell();
    this.draw();
  }

  /** Draw at the next opportunity. */
  draw = (): void => {
    if (this.asked !== 0) return;
    this.asked = requestAnimationFrame((now) => this.frame(now));
  };

  private get limits(): Limits {
    return { world: WORLD, least: this.scale.least * this.fit, most: this.scale.most * this.fit };
  }

  private get zoom(): number {
    return this.camera.scale / this.fit;
  }

  private restyle(): void {
    const style = getComputedStyle(this.canvas);
    const read = (name: string) => style.getPropertyValue(name).trim();
    this.theme = { paper: read('--sheet'), ink: read('--ink'), accent: read('--glow'), font: read('--sans') };
    this.draw();
  }

  private resize(): void {
    this.density = Math.min(devicePixelRatio || 1, MOST_DENSITY);
    const box = this.canvas.getBoundingClientRect();
    const [width, height] = [box.width, box.height].map((extent) => Math.max(1, Math.round(extent * this.density))) as [number, number];
    const [zoom, whole] = [this.zoom, same(this.target, fitted(WORLD, this.size, MARGIN * this.density))];
    this.size = { width, height };
    this.renderer.resize(width, height);
    this.rescale();
    const all = fitted(WORLD, this.size, MARGIN * this.density);
    this.camera = this.target = whole || this.fit === 1 ? all : clamped({ ...this.target, scale: zoom * this.fit }, this.limits);
    if (!this.from) this.thin();
    this.frame(performance.now());
  }

  private scaleNow(): Scale {
    const side = this.sheets.levels[0]?.side ?? 1;
    const largest = side > FEW_PIXELS ? Math.max(side, 64 * this.density) : ENLARGED * this.density;
    // Fewer are drawn larger, but not as large as if they filled the map evenly: they lie in groups.
    const count = Math.sqrt(this.count * this.tiles.length);
    return scaleOf(this.arrangement, count, this.grid, this.fit, largest, this.density);
  }

  private rescale(): void {
    this.fit = fitted(WORLD, this.size, MARGIN * this.density).scale;
    this.scale = this.scaleNow();
    this.target = clamped(this.target, this.limits);
  }

  /** The points have come to their places. */
  private settle(): void {
    [this.from, this.before] = [null, null];
    this.xs = this.goal.xs;
    this.ys = this.goal.ys;
    this.bins = new Bins(this.xs, this.ys, WORLD);
    this.thin();
  }

  private thin(): void {
    const { steps, spacing } = this.scale;
    const crowded = this.bins && this.arrangement === 'map';
    this.least = crowded
      ? thinned(this.xs, this.ys, this.shown, steps, spacing)
      : Float32Array.from(this.shown, (shown) => (shown ? 0 : Number.POSITIVE_INFINITY));
  }

  private go(camera: Camera): void {
    this.target = camera;
    if (this.calm.matches) this.camera = camera;
    this.draw();
  }

  private frame(now: number): void {
    if (this.asked < 0) return;
    this.asked = 0;
    const passed = Math.min(now - this.last, 100);
    this.last = now;
    const before = this.camera.scale;
    const moving = this.advance(passed) || this.change(now);
    const zooming = Math.abs(this.camera.scale / before - 1) > STEADY || this.from !== null;
    const side = this.side(now);
    const unfinished = this.renderer.draw(
      {
        xs: this.xs,
        ys: this.ys,
        bins: this.bins,
        least: this.least,
        zoom: Math.max(this.zoom, this.scale.least) * 1.0001,
        tiles: this.tiles,
        colours: this.colours,
        camera: this.camera,
        side,
        paper: pixelOf(this.theme.paper),
        focus: this.focus,
        focusSide: FOCUSED * this.density,
        focusColour: pixelOf(this.theme.accent),
        zooming,
      },
      this.sheets,
      (context) => {
        if (this.from) return;
        const style = { camera: this.camera, size: this.size, zoom: this.zoom, density: this.density, ...this.theme };
        drawLabels(context, this.labels, style, this.focusBox(side));
      },
    );
    this.events.ondraw(this.renderer.drawn, this.zoom);
    if (moving || unfinished || zooming) this.draw();
  }

  /** Move the camera on its way; returns whether it is still on it. */
  private advance(passed: number): boolean {
    if (same(this.camera, this.target)) {
      this.camera = this.target;
      return false;
    }
    this.camera = towards(this.camera, this.target, 1 - Math.exp(-passed / PACE));
    return true;
  }

  /** Move the points on their way; returns whether they are still on it. */
  private change(now: number): boolean {
    if (!this.from) return false;
    const share = this.share(now);
    if (share >= 1) {
      this.settle();
      return true;
    }
    for (let index = 0; index < this.xs.length; index++) {
      const [x, y] = [this.from.xs[index] as number, this.from.ys[index] as number];
      this.xs[index] = x + ((this.goal.xs[index] as number) - x) * share;
      this.ys[index] = y + ((this.goal.ys[index] as number) - y) * share;
    }
    return true;
  }

  /** The share of a change that is done, slow at both ends. */
  private share(now: number): number {
    const t = Math.min(1, (now - this.began) / CHANGE);
    return t * t * (3 - 2 * t);
  }

  private side(now: number): number {
    const after = this.scale.side(this.zoom);
    if (!this.before) return after;
    const share = this.share(now);
    return this.before.side(this.zoom) * (1 - share) + after * share;
  }

  private get focus(): number {
    return this.hover >= 0 ? this.hover : this.chosen;
  }

  /** Left, top, right and bottom of the thumbnail in focus, which no name may cover. */
  private focusBox(side: number): [number, number, number, number][] {
    if (this.focus < 0) return [];
    const at = toScreen(this.camera, this.size, this.xs[this.focus] as number, this.ys[this.focus] as number);
    const half = Math.max(side, FOCUSED * this.density) / 2;
    return [[at.x - half, at.y - half, at.x + half, at.y + half]];
  }

  private tell(): void {
    this.events.onfocus(this.focus);
  }

  /** Point at one, or at nothing. */
  private point(index: number): void {
    if (index === this.hover) return;
    this.hover = index;
    this.tell();
    this.draw();
  }

  /** The thumbnail under a point of the canvas; -1 for none. */
  private at({ x, y }: { x: number; y: number }): number {
    if (!this.bins) return -1;
    const world = toWorld(this.camera, this.size, x, y);
    const radius = Math.max(this.scale.side(this.zoom) / 2, 4 * this.density) / this.camera.scale;
    return this.bins.nearest(world.x, world.y, radius, this.visible);
  }

  private readonly visible = (index: number): boolean => (this.least[index] as number) <= this.zoom * 1.0001;

  private place(event: PointerEvent | WheelEvent): { x: number; y: number } {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.density, y: (event.clientY - box.top) * this.density };
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.surface.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    this.press = { ...at, moved: this.pointers.size > 1 };
    this.speed = { x: 0, y: 0, at: event.timeStamp };
    this.target = this.camera;
  }

  private move(event: PointerEvent): void {
    const at = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.point(this.at(at));
      return;
    }
    if (this.press && !this.press.moved && Math.hypot(at.x - this.press.x, at.y - this.press.y) < SLIP * this.density) return;
    if (this.press) this.press.moved = true;
    this.point(-1);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    this.pointers.set(event.pointerId, at);
    const other = others[0];
    if (other) this.pinch(before, at, other);
    else {
      this.camera = this.target = panned(this.target, at.x - before.x, at.y - before.y, this.limits);
      const passed = Math.max(1, event.timeStamp - this.speed.at);
      this.speed = { x: (at.x - before.x) / passed, y: (at.y - before.y) / passed, at: event.timeStamp };
    }
    this.draw();
  }

  /** Two fingers: what is between them stays between them. */
  private pinch(before: { x: number; y: number }, now: { x: number; y: number }, other: { x: number; y: number }): void {
    const apart = (one: { x: number; y: number }) => Math.max(8, Math.hypot(one.x - other.x, one.y - other.y));
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    const moved = panned(this.target, (now.x - before.x) / 2, (now.y - before.y) / 2, this.limits);
    this.camera = this.target = zoomed(moved, this.size, middle, apart(now) / apart(before), this.limits);
  }

  private up(event: PointerEvent, cancelled = false): void {
    if (!this.pointers.delete(event.pointerId)) return;
    const press = this.press;
    if (this.pointers.size > 0) return;
    this.press = null;
    if (!press || cancelled) return;
    if (!press.moved) {
      this.choose(this.at(this.place(event)));
      return;
    }
    const still = event.timeStamp - this.speed.at > 60;
    if (still || this.calm.matches) return;
    this.go(panned(this.target, this.speed.x * GLIDE, this.speed.y * GLIDE, this.limits));
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 400 : 1;
    const turned = Math.max(-400, Math.min(400, event.deltaY * lines));
    this.zoomBy(Math.exp(-turned * (event.ctrlKey ? PINCH : WHEEL)), this.place(event));
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) this.step(...arrow);
    else if (arrow) this.pan(arrow[0] * STEP, arrow[1] * STEP);
    else if (event.key === 'Enter' && this.chosen >= 0) this.events.onopen(this.chosen);
    else if (event.key === 'Escape' && this.chosen >= 0) this.choose(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Choose the next one in a direction; the one nearest to the middle where none is chosen. */
  private step(dx: number, dy: number): void {
    if (!this.bins) return;
    this.hover = -1;
    const next =
      this.chosen < 0
        ? this.bins.nearest(this.camera.x, this.camera.y, 2 * WORLD.width, this.visible)
        : this.bins.towards(this.chosen, dx, dy, this.visible);
    if (next >= 0) this.choose(next);
  }
}
