/** What the maps of a page share: the newest frame, the colours, and the position that somebody points at. */
import type { Layer, Network } from './api';
import { maxAbsolutes, type Palette, type Scale } from './colours';
import { dependencies, extents, mapShape, type Box } from './fields';
import { t } from './i18n/index.svelte';
import { INPUT, type Frame, type Maps, valueAt } from './frames';

/** One position of one unit. */
export interface MapPosition {
  layer: string;
  unit: number;
  row: number;
  column: number;
}

export class View {
  private chosenScale = $state<Scale>('layer');
  private chosenPalette = $state<Palette>('diverging');
  private pointed = $state.raw<MapPosition | null>(null);
  network = $state.raw<Network | null>(null);
  /** The newest frame; it changes too often for the page to follow, so whoever draws asks for it. */
  frame: Frame | null = null;
  /** Counts frames, for text that follows them. */
  count = $state(0);

  /** Views whose values share the scale of this one's colours, because they are compared. */
  peers: View[] = [];

  /** A view beside another one: with its colours, and pointing where it points. */
  constructor(private readonly leader: View | null = null) {}

  get scale(): Scale {
    return this.leader?.scale ?? this.chosenScale;
  }

  set scale(scale: Scale) {
    if (this.leader) this.leader.scale = scale;
    else this.chosenScale = scale;
  }

  get palette(): Palette {
    return this.leader?.palette ?? this.chosenPalette;
  }

  set palette(palette: Palette) {
    if (this.leader) this.leader.palette = palette;
    else this.chosenPalette = palette;
  }

  /** Where the pointer or the keyboard is, or null; of views beside each other one position, where it exists. */
  get position(): MapPosition | null {
    const position = this.leader ? this.leader.pointed : this.pointed;
    return position && this.has(position) ? position : null;
  }

  set position(position: MapPosition | null) {
    if (this.leader) this.leader.pointed = position;
    else this.pointed = position;
  }

  private has({ layer, unit, row, column }: MapPosition): boolean {
    if (layer === INPUT || !this.network) return true;
    const shape = this.layer(layer)?.shape;
    if (!shape) return false;
    const [units, rows, columns] = mapShape(shape);
    return unit < units && row < rows && column < columns;
  }

  private largest = 0;
  private readonly byLayer = new Map<string, number>();
  private readonly painters = new Set<() => void>();

  /** What the position pointed at depends on: boxes of the layers before it, and of the input. */
  readonly dependencies = $derived.by((): Map<string, Box> => {
    const [position, network] = [this.position, this.network];
    if (!position || !network) return new Map();
    const { kind, shape } = network.spec;
    const [rows, columns] = kind === 'text' ? [1, shape[0] ?? 1] : extents(shape);
    return dependencies(network.layers, position.layer, position, { rows, columns });
  });

  /** Draw whenever a frame comes, until the returned function is called. */
  onpaint(paint: () => void): () => void {
    this.painters.add(paint);
    return () => this.painters.delete(paint);
  }

  /** Take a frame and draw it. */
  show(frame: Frame): void {
    this.take(frame);
    this.repaint();
    this.count += 1;
  }

  /** Take a frame that is drawn later. */
  take(frame: Frame): void {
    this.frame = frame;
    this.byLayer.clear();
    this.largest = 0;
    for (const [name, maps] of frame.layers) {
      let most = 0;
      for (const value of maxAbsolutes(maps)) if (value > most) most = value;
      this.byLayer.set(name, most);
      // The input has its own range; it is no activation of the network.
      if (name !== INPUT && most > this.largest) this.largest = most;
    }
  }

  repaint(): void {
    for (const paint of this.painters) paint();
  }

  /** The value at which a map has full colour. */
  fullScale(maps: Maps, unit: number): number {
    if (this.scale === 'map') {
      return Math.max(ofMap(maps, unit), ...this.peers.map((peer) => ofMap(peer.frame?.layers.get(maps.name), unit)));
    }
    return this.maxAbsolute(this.scale === 'layer' || maps.name === INPUT ? maps.name : undefined);
  }

  /** The largest absolute value of a layer, or of all layers; of the views beside this one too. */
  maxAbsolute(layer?: string): number {
    const own = (view: View) => (layer === undefined ? view.largest : (view.byLayer.get(layer) ?? 0));
    return Math.max(own(this), ...this.peers.map(own));
  }

  layer(name: string): Layer | undefined {
    return this.network?.layers.find((layer) => layer.name === name);
  }

  /** The value at the position pointed at, or null. */
  value(): number | null {
    const maps = this.position && this.frame?.layers.get(this.position.layer);
    return maps && this.position ? valueAt(maps, this.position.unit, this.position.row, this.position.column) : null;
  }
}

/** The largest absolute value of one map. */
const ofMap = (maps: Maps | undefined, unit: number): number => Math.max(Math.abs(maps?.lo[unit] ?? 0), Math.abs(maps?.hi[unit] ?? 0));

/** Lowest and highest value of a layer in words; empty where there is none. */
export function valueRange(maps: Maps | undefined): string {
  if (!maps || maps.lo.length === 0) return '';
  return t('watch.range', { lo: formatNumber(Math.min(...maps.lo)), hi: formatNumber(Math.max(...maps.hi)) });
}

/** What a screen reader says of the maps of a layer. */
export function layerLabel({ name, shape }: Layer): string {
  const [count, height, width] = mapShape(shape);
  if (height === 1 && width === 1) return t('watch.layerUnits', { layer: name, count });
  return t('watch.layerMaps', { layer: name, count, height, width });
}

/** A position in words: layer, unit, and row and column where its map has any. */
export function inWords({ layer, unit, row, column }: MapPosition, of: Layer | undefined): string {
  const values = { layer: layer === INPUT ? t('watch.seen') : layer, unit, row, column };
  return of?.shape.length === 1 ? t('watch.readoutUnit', values) : t('watch.readout', values);
}

/** A number as the page writes it: three digits that count. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 100_000)) return value.toExponential(1).replace('-', '−');
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toFixed(digits).replace('-', '−');
}
