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
const SMOOTHING = 70;
const TRANSITION = 650;
/** Milliseconds for which the map goes on after a drag, at the speed it had. */
const INERTIA = 140;
/** CSS pixels: what a finger may slip in a tap, a step of an arrow, a thumbnail in focus, the margin. */
const TAP_SLOP = 5;
const PAN_STEP = 90;
const FOCUS_SIDE = 52;
const MARGIN = 22;
/** Thumbnails of single pixels are enlarged to so many CSS pixels; others to those that they have. */
const ENLARGED_SIDE = 112;
const FEW_PIXELS = 48;
/** Zoom factor of a button or key, and of one pixel of a wheel or a pinch of a touchpad. */
export const ZOOM = 1.6;
const WHEEL_ZOOM = 0.0016;
const PINCH_ZOOM = 0.01;
const MAX_DENSITY = 2;
/** Change of the scale in a frame below which the zoom has come to rest. */
const STEADY = 1e-3;

export class MapView {
  arrangement: Arrangement = 'map';
  labels: Label[] = [];
  hover = -1;
  chosen = -1;

  private readonly renderer: Renderer;
  private readonly reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
  private size: Size = { width: 1, height: 1 };
  private density = 1;
  private camera: Camera = { x: WORLD.width / 2, y: WORLD.height / 2, scale: 1 };
  private target: Camera = this.camera;
  private fit = 1;
  private scale: Scale;
  private grid: [number, number] = [1, 1];
  private xs: Float32Array = new Float32Array(0);
  private ys: Float32Array = new Float32Array(0);
  private start: Points | null = null;
  private end: Points = { xs: this.xs, ys: this.ys };
  private transitionStart = 0;
  private previousScale: Scale | null = null;
  private bins: Bins | null = null;
  private shown: Uint8Array = new Uint8Array(0);
  private least: Float32Array = new Float32Array(0);
  /** How many are shown. */
  private count = 0;
  private tiles: Int32Array = new Int32Array(0);
  private colours: Uint32Array = new Uint32Array(0);
  private theme = { paper: '#ffffff', ink: '#000000', accent: '#22577f', font: 'sans-serif' };
  private frameRequest = 0;
  private lastFrame = 0;
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private gesture: { x: number; y: number; moved: boolean } | null = null;
  private velocity = { x: 0, y: 0, at: 0 };

  /** @param surface what hears pointer and keys: it has the focus and the extent of the canvas */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly surface: HTMLElement,
    private readonly sheets: Sheets,
    private readonly events: Events,
  ) {
    this.renderer = new Renderer(canvas);
    this.scale = this.currentScale();
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
    on('pointerleave', () => this.setHover(-1));
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
      cancelAnimationFrame(this.frameRequest);
      this.frameRequest = -1;
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
    const moves = this.xs.length === points.xs.length && !this.reducedMotion.matches;
    this.previousScale = moves ? this.scale : null;
    this.start = moves ? { xs: this.xs.slice(), ys: this.ys.slice() } : null;
    this.end = points;
    this.arrangement = arrangement;
    this.transitionStart = performance.now();
    this.bins = null;
    this.xs = moves ? this.xs.slice() : points.xs;
    this.ys = moves ? this.ys.slice() : points.ys;
    this.rescale();
    if (!moves) this.endTransition();
    this.draw();
  }

  /** Show some, 1, and hide the others, 0. */
  show(shown: Uint8Array): void {
    this.shown = shown;
    this.count = shown.reduce((sum, one) => sum + one, 0);
    this.rescale();
    if (this.chosen >= 0 && !shown[this.chosen]) this.choose(-1);
    this.hover = -1;
    this.updateThinning();
    this.draw();
  }

  paint(colours: Uint32Array): void {
    this.colours = colours;
    this.draw();
  }

  zoomBy(factor: number, at = { x: this.size.width / 2, y: this.size.height / 2 }): void {
    this.moveTo(zoomed(this.target, this.size, at, factor, this.limits));
  }

  pan(dx: number, dy: number): void {
    this.moveTo(panned(this.target, -dx * this.density, -dy * this.density, this.limits));
  }

  fitAll(): void {
    this.moveTo(fitted(WORLD, this.size, MARGIN * this.density));
  }

  /** Choose one, and bring it into view where it is not. */
  choose(index: number): void {
    this.chosen = index;
    if (index >= 0) {
      const at = toScreen(this.target, this.size, this.end.xs[index] as number, this.end.ys[index] as number);
      const edge = FOCUS_SIDE * this.density;
      const outside = at.x < edge || at.y < edge || at.x > this.size.width - edge || at.y > this.size.height - edge;
      if (outside) {
        const [x, y] = [this.end.xs[index] as number, this.end.ys[index] as number];
        this.moveTo(clamped({ x, y, scale: this.target.scale }, this.limits));
      }
    }
    this.events.onchoose(index);
    this.notifyFocus();
    this.draw();
  }

  /** Draw at the next opportunity. */
  draw = (): void => {
    if (this.frameRequest !== 0) return;
    this.frameRequest = requestAnimationFrame((now) => this.frame(now));
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
    this.density = Math.min(devicePixelRatio || 1, MAX_DENSITY);
    const box = this.canvas.getBoundingClientRect();
    const [width, height] = [box.width, box.height].map((extent) => Math.max(1, Math.round(extent * this.density))) as [number, number];
    const [zoom, whole] = [this.zoom, same(this.target, fitted(WORLD, this.size, MARGIN * this.density))];
    this.size = { width, height };
    this.renderer.resize(width, height);
    this.rescale();
    const all = fitted(WORLD, this.size, MARGIN * this.density);
    this.camera = this.target = whole || this.fit === 1 ? all : clamped({ ...this.target, scale: zoom * this.fit }, this.limits);
    if (!this.start) this.updateThinning();
    this.frame(performance.now());
  }

  private currentScale(): Scale {
    const side = this.sheets.levels[0]?.side ?? 1;
    const largest = side > FEW_PIXELS ? Math.max(side, 64 * this.density) : ENLARGED_SIDE * this.density;
    // Fewer are drawn larger, but not as large as if they filled the map evenly: they lie in groups.
    const count = Math.sqrt(this.count * this.tiles.length);
    return scaleOf(this.arrangement, count, this.grid, this.fit, largest, this.density);
  }

  private rescale(): void {
    this.fit = fitted(WORLD, this.size, MARGIN * this.density).scale;
    this.scale = this.currentScale();
    this.target = clamped(this.target, this.limits);
  }

  /** The points have come to their places. */
  private endTransition(): void {
    [this.start, this.previousScale] = [null, null];
    this.xs = this.end.xs;
    this.ys = this.end.ys;
    this.bins = new Bins(this.xs, this.ys, WORLD);
    this.updateThinning();
  }

  private updateThinning(): void {
    const { steps, spacing } = this.scale;
    const crowded = this.bins && this.arrangement === 'map';
    this.least = crowded
      ? thinned(this.xs, this.ys, this.shown, steps, spacing)
      : Float32Array.from(this.shown, (shown) => (shown ? 0 : Number.POSITIVE_INFINITY));
  }

  private moveTo(camera: Camera): void {
    this.target = camera;
    if (this.reducedMotion.matches) this.camera = camera;
    this.draw();
  }

  private frame(now: number): void {
    if (this.frameRequest < 0) return;
    this.frameRequest = 0;
    const passed = Math.min(now - this.lastFrame, 100);
    this.lastFrame = now;
    const before = this.camera.scale;
    const moving = this.advanceCamera(passed) || this.advancePoints(now);
    const zooming = Math.abs(this.camera.scale / before - 1) > STEADY || this.start !== null;
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
        focusSide: FOCUS_SIDE * this.density,
        focusColour: pixelOf(this.theme.accent),
        zooming,
      },
      this.sheets,
      (context) => {
        if (this.start) return;
        const style = { camera: this.camera, size: this.size, zoom: this.zoom, density: this.density, ...this.theme };
        drawLabels(context, this.labels, style, this.focusBox(side));
      },
    );
    this.events.ondraw(this.renderer.drawn, this.zoom);
    if (moving || unfinished || zooming) this.draw();
  }

  /** Move the camera on its way; returns whether it is still on it. */
  private advanceCamera(passed: number): boolean {
    if (same(this.camera, this.target)) {
      this.camera = this.target;
      return false;
    }
    this.camera = towards(this.camera, this.target, 1 - Math.exp(-passed / SMOOTHING));
    return true;
  }

  /** Move the points on their way; returns whether they are still on it. */
  private advancePoints(now: number): boolean {
    if (!this.start) return false;
    const share = this.transitionShare(now);
    if (share >= 1) {
      this.endTransition();
      return true;
    }
    for (let index = 0; index < this.xs.length; index++) {
      const [x, y] = [this.start.xs[index] as number, this.start.ys[index] as number];
      this.xs[index] = x + ((this.end.xs[index] as number) - x) * share;
      this.ys[index] = y + ((this.end.ys[index] as number) - y) * share;
    }
    return true;
  }

  /** The share of a change that is done, slow at both ends. */
  private transitionShare(now: number): number {
    const t = Math.min(1, (now - this.transitionStart) / TRANSITION);
    return t * t * (3 - 2 * t);
  }

  private side(now: number): number {
    const after = this.scale.side(this.zoom);
    if (!this.previousScale) return after;
    const share = this.transitionShare(now);
    return this.previousScale.side(this.zoom) * (1 - share) + after * share;
  }

  private get focus(): number {
    return this.hover >= 0 ? this.hover : this.chosen;
  }

  /** Left, top, right and bottom of the thumbnail in focus, which no name may cover. */
  private focusBox(side: number): [number, number, number, number][] {
    if (this.focus < 0) return [];
    const at = toScreen(this.camera, this.size, this.xs[this.focus] as number, this.ys[this.focus] as number);
    const half = Math.max(side, FOCUS_SIDE * this.density) / 2;
    return [[at.x - half, at.y - half, at.x + half, at.y + half]];
  }

  private notifyFocus(): void {
    this.events.onfocus(this.focus);
  }

  /** Point at one, or at nothing. */
  private setHover(index: number): void {
    if (index === this.hover) return;
    this.hover = index;
    this.notifyFocus();
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
    this.gesture = { ...at, moved: this.pointers.size > 1 };
    this.velocity = { x: 0, y: 0, at: event.timeStamp };
    this.target = this.camera;
  }

  private move(event: PointerEvent): void {
    const at = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.setHover(this.at(at));
      return;
    }
    if (this.gesture && !this.gesture.moved && Math.hypot(at.x - this.gesture.x, at.y - this.gesture.y) < TAP_SLOP * this.density) return;
    if (this.gesture) this.gesture.moved = true;
    this.setHover(-1);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    this.pointers.set(event.pointerId, at);
    const other = others[0];
    if (other) this.pinch(before, at, other);
    else {
      this.camera = this.target = panned(this.target, at.x - before.x, at.y - before.y, this.limits);
      const passed = Math.max(1, event.timeStamp - this.velocity.at);
      this.velocity = { x: (at.x - before.x) / passed, y: (at.y - before.y) / passed, at: event.timeStamp };
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
    const press = this.gesture;
    if (this.pointers.size > 0) return;
    this.gesture = null;
    if (!press || cancelled) return;
    if (!press.moved) {
      this.choose(this.at(this.place(event)));
      return;
    }
    const still = event.timeStamp - this.velocity.at > 60;
    if (still || this.reducedMotion.matches) return;
    this.moveTo(panned(this.target, this.velocity.x * INERTIA, this.velocity.y * INERTIA, this.limits));
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 400 : 1;
    const turned = Math.max(-400, Math.min(400, event.deltaY * lines));
    this.zoomBy(Math.exp(-turned * (event.ctrlKey ? PINCH_ZOOM : WHEEL_ZOOM)), this.place(event));
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) this.chooseNext(...arrow);
    else if (arrow) this.pan(arrow[0] * PAN_STEP, arrow[1] * PAN_STEP);
    else if (event.key === 'Enter' && this.chosen >= 0) this.events.onopen(this.chosen);
    else if (event.key === 'Escape' && this.chosen >= 0) this.choose(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Choose the next one in a direction; the one nearest to the middle where none is chosen. */
  private chooseNext(dx: number, dy: number): void {
    if (!this.bins) return;
    this.hover = -1;
    const next =
      this.chosen < 0
        ? this.bins.nearest(this.camera.x, this.camera.y, 2 * WORLD.width, this.visible)
        : this.bins.towards(this.chosen, dx, dy, this.visible);
    if (next >= 0) this.choose(next);
  }
}
