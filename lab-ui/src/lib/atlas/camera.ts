/** Where the map is looked at from: a centre in the world's coordinates, and pixels for each of its units. */

export interface Camera {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Limits {
  /** Extent of the world, from 0. */
  world: Size;
  least: number;
  most: number;
}

/** The camera that shows all of the world, with a margin in pixels. */
export function fitted(world: Size, view: Size, margin: number): Camera {
  const room = (extent: number) => Math.max(1, extent - 2 * margin);
  const scale = Math.min(room(view.width) / world.width, room(view.height) / world.height);
  return { x: world.width / 2, y: world.height / 2, scale };
}

export const toScreen = (camera: Camera, view: Size, x: number, y: number): { x: number; y: number } => ({
  x: (x - camera.x) * camera.scale + view.width / 2,
  y: (y - camera.y) * camera.scale + view.height / 2,
});

export const toWorld = (camera: Camera, view: Size, x: number, y: number): { x: number; y: number } => ({
  x: (x - view.width / 2) / camera.scale + camera.x,
  y: (y - view.height / 2) / camera.scale + camera.y,
});

/** The centre stays on the world, and the scale within its limits. */
export function clamped({ x, y, scale }: Camera, { world, least, most }: Limits): Camera {
  const within = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
  return { x: within(x, 0, world.width), y: within(y, 0, world.height), scale: within(scale, least, most) };
}

/** Zoom by a factor; what is under a point of the screen stays there. */
export function zoomed(
  camera: Camera,
  view: Size,
  at: { x: number; y: number },
  factor: number,
  limits: Limits,
): Camera {
  const scale = Math.min(Math.max(camera.scale * factor, limits.least), limits.most);
  const fixed = toWorld(camera, view, at.x, at.y);
  const x = fixed.x - (at.x - view.width / 2) / scale;
  const y = fixed.y - (at.y - view.height / 2) / scale;
  return clamped({ x, y, scale }, limits);
}

/** Move the world under the camera by pixels. */
export const panned = (camera: Camera, dx: number, dy: number, limits: Limits): Camera =>
  clamped({ ...camera, x: camera.x - dx / camera.scale, y: camera.y - dy / camera.scale }, limits);

/**
 * A camera on the way to another: its scale is a share of the way in octaves.
 *
 * The centre moves with the reciprocal of the scale, so that a point that both show at the same place of the
 * screen stays there in between.
 */
export function towards(from: Camera, to: Camera, share: number): Camera {
  if (share >= 1) return to;
  const scale = from.scale * (to.scale / from.scale) ** share;
  const whole = 1 / to.scale - 1 / from.scale;
  const part = Math.abs(whole * from.scale) < 1e-6 ? share : (1 / scale - 1 / from.scale) / whole;
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part, scale };
}

/** Whether two cameras show the same, to a fraction of a pixel. */
export function same(a: Camera, b: Camera): boolean {
  const apart = Math.max(Math.abs(a.x - b.x), Math.abs(a.y - b.y)) * b.scale;
  return apart < 0.25 && Math.abs(a.scale / b.scale - 1) < 2e-4;
}
