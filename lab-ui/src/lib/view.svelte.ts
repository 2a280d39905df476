/** What the maps of a page share: the newest frame, the colours, and the position that somebody points at. */
import type { Layer, Network } from './api';
import { maxAbsolutes, type Palette, type Scale } from './colours';
import { dependencies, extents, type Box } from './fields';
import { INPUT, type Frame, type Maps, valueAt } from './frames';

/** One position of one unit. */
export interface MapPosition {
  layer: string;
  unit: number;
  row: number;
  column: number;
}

export class View {
  scale = $state<Scale>('layer');
  palette = $state<Palette>('diverging');
  /** Where the pointer or the keyboard is, or null. */
  position = $state.raw<MapPosition | null>(null);
  network = $state.raw<Network | null>(null);
  /** The newest frame; it changes too often for the page to follow, so whoever draws asks for it. */
  frame: Frame | null = null;
  /** Counts frames, for text that follows them. */
  count = $state(0);

  private largest = 0;
  private readonly byLayer = new Map<string, number>();
  private readonly painters = new Set<() => void>();

  /** What the position pointed at depends on: boxes of the layers before it, and of the input. */
  readonly dependencies = $derived.by((): Map<string, Box> => {
    const [position, network] = [this.position, this.network];
    if (!position || !network) return new Map();
    const [rows, columns] = extents(network.spec.shape);
    return dependencies(network.layers, position.layer, position, { rows, columns });
  });

  /** Draw whenever a frame comes, until the returned function is called. */
  onpaint(paint: () => void): () => void {
    this.painters.add(paint);
    return () => this.painters.delete(paint);
  }

  /** Take a frame and draw it. */
  show(frame: Frame): void {
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
    this.repaint();
    this.count += 1;
  }

  repaint(): void {
    for (const paint of this.painters) paint();
  }

  /** The value at which a map has full colour. */
  fullScale(maps: Maps, unit: number): number {
    if (this.scale === 'map') return Math.max(Math.abs(maps.lo[unit] ?? 0), Math.abs(maps.hi[unit] ?? 0));
    if (this.scale === 'layer' || maps.name === INPUT) return this.byLayer.get(maps.name) ?? 0;
    return this.largest;
  }

  /** The largest absolute value of a layer, or of all layers. */
  maxAbsolute(layer?: string): number {
    return layer === undefined ? this.largest : (this.byLayer.get(layer) ?? 0);
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

/** A number as the page writes it: three digits that count. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 100_000)) return value.toExponential(1).replace('-', '−');
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toFixed(digits).replace('-', '−');
}
