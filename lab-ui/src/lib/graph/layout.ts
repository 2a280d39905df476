/** Layered drawing of a directed acyclic graph: ranks by longest path, few crossings, edges through free lanes. */

export type Placed = { name: string; rank: number; lane: number };
export type Route = { from: string; to: string; points: { rank: number; lane: number }[] };
export type Drawing = { nodes: Map<string, Placed>; edges: Route[]; ranks: number; lanes: number };

type Cell = { id: string; up: string[]; down: string[]; lane: number };

/** Number of sweeps that reorder the layers; more change little. */
const SWEEPS = 6;

/**
 * Lay out a graph.
 *
 * @param nodes names in topological order, with what each reads; names that are no node are inputs.
 * @returns rank (row) and lane (column, may be fractional) of every node, and the bends of every edge.
 */
export function layout(nodes: { name: string; inputs: string[] }[]): Drawing {
  const rank = new Map<string, number>();
  for (const node of nodes) {
    for (const input of node.inputs) if (!rank.has(input)) rank.set(input, 0);
    rank.set(node.name, Math.max(0, ...node.inputs.map((i) => rank.get(i)! + 1)));
  }
  const cells = new Map<string, Cell>();
  const rows: Cell[][] = [];
  const add = (id: string, row: number): Cell => {
    const cell = { id, up: [], down: [], lane: 0 } as Cell;
    cells.set(id, cell);
    (rows[row] ??= []).push(cell);
    return cell;
  };
  for (const [name, row] of rank) add(name, row);
  const chains: { from: string; to: string; through: string[] }[] = [];
  for (const node of nodes)
    for (const input of new Set(node.inputs)) {
      const through: string[] = [];
      let before = cells.get(input)!;
      for (let row = rank.get(input)! + 1; row < rank.get(node.name)!; row++) {
        const bend = add(`${input}\u0000${node.name}\u0000${row}`, row);
        link(before, bend);
        through.push(bend.id);
        before = bend;
      }
      link(before, cells.get(node.name)!);
      chains.push({ from: input, to: node.name, through });
    }
  order(rows);
  straighten(rows, cells);
  const placed = new Map<string, Placed>();
  for (const [name, row] of rank) placed.set(name, { name, rank: row, lane: cells.get(name)!.lane });
  const edges = chains.map(({ from, to, through }) => ({
    from,
    to,
    points: [
      placed.get(from)!,
      ...through.map((id, i) => ({ rank: rank.get(from)! + 1 + i, lane: cells.get(id)!.lane })),
      placed.get(to)!,
    ].map(({ rank, lane }) => ({ rank, lane })),
  }));
  const lanes = Math.max(1, ...[...cells.values()].map((c) => c.lane + 1));
  return { nodes: placed, edges, ranks: rows.length, lanes };
}

function link(from: Cell, to: Cell): void {
  from.down.push(to.id);
  to.up.push(from.id);
}

/** Order the cells of each row by the mean position of their neighbours, down and up in turn. */
function order(rows: Cell[][]): void {
  const position = new Map<string, number>();
  const note = (row: Cell[]) => row.forEach((cell, i) => position.set(cell.id, i));
  rows.forEach(note);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      const key = new Map(row.map((c) => [c.id, mean((down ? c.up : c.down).map((id) => position.get(id)!), position.get(c.id)!)]));
      row.sort((a, b) => key.get(a.id)! - key.get(b.id)!);
      note(row);
    }
  }
  for (const row of rows) row.forEach((cell, i) => (cell.lane = i));
}

/** Move cells towards their neighbours where there is room, so that chains are straight. */
function straighten(rows: Cell[][], cells: Map<string, Cell>): void {
  const widest = Math.max(...rows.map((row) => row.length));
  for (const row of rows) row.forEach((cell) => (cell.lane += (widest - row.length) / 2));
  for (let sweep = 0; sweep < 2 * SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      const wish = row.map((c) => mean((down ? c.up : c.down).map((id) => cells.get(id)!.lane), c.lane));
      let left = 0;
      row.forEach((cell, i) => {
        const most = widest - (row.length - i);
        cell.lane = Math.min(Math.max(wish[i]!, left), most);
        left = cell.lane + 1;
      });
    }
  }
}

function mean(values: number[], otherwise: number): number {
  return values.length ? values.reduce((a, b) => a + b, 0) / values.length : otherwise;
}
