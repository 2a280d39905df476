/** Arrow keys on grids: maps, boards, tables. */

/** Rows and columns by which an arrow key moves. */
export const ARROWS: Record<string, [number, number] | undefined> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** The cell to which a key leads from one, inside a grid; null for a key that is no arrow. */
export function cellAfter(key: string, [row, column]: [number, number], rows: number, columns: number): [number, number] | null {
  const step = ARROWS[key];
  if (!step) return null;
  const inside = (value: number, extent: number) => Math.min(Math.max(value, 0), extent - 1);
  return [inside(row + step[0], rows), inside(column + step[1], columns)];
}
