/** A game of Go as the page keeps it, and questions about it; the server keeps nothing. */
import { send } from './api';

export type Colour = 'black' | 'white';

export interface Game {
  size: number;
  komi: number;
  superko: boolean;
  handicap: number;
  black: string[];
  white: string[];
  first?: '' | Colour;
  moves: string[];
}

export interface Suggestion {
  point: string;
  probability: number;
}

export interface Position {
  size: number;
  /** 0 empty, 1 black, 2 white, row by row from the top. */
  stones: number[][];
  to_play: Colour;
  legal: string[];
  last: string | null;
  ko: string | null;
  prisoners: { black: number; white: number };
  move: number;
  over: boolean;
  net: string;
  policy?: number[];
  suggested?: Suggestion[];
  planes?: { name: string; values: number[] }[];
  /** What is waited for; then nothing else is there. */
  compiling?: string;
}

export interface Reply {
  done: boolean;
  fraction: number;
  move?: string;
  resigns?: boolean;
  winrate?: number | null;
  compiling?: string;
}

export interface SearchedMove {
  point: string;
  visits: number;
  winrate: number | null;
  prior: number;
  line: string[];
}

export interface Analysis {
  done: boolean;
  visits: number;
  max_visits: number;
  winrate: number | null;
  moves: SearchedMove[];
  compiling?: string;
}

export interface Score {
  score: string;
  margin: number;
  komi: number;
  dead: string[];
}

const LETTERS = 'ABCDEFGHJKLMNOPQRSTUVWXYZ';

/** Row and column, from the top left, as people write them: `D4`. */
export const vertexOf = (row: number, column: number, size: number): string => `${LETTERS[column]}${size - row}`;

/** Row and column of `D4`; null for a pass. */
export function pointOf(vertex: string, size: number): [number, number] | null {
  const column = LETTERS.indexOf(vertex[0] ?? '');
  const row = size - Number(vertex.slice(1));
  return column >= 0 && row >= 0 && row < size ? [row, column] : null;
}

export const letter = (column: number): string => LETTERS[column] ?? '';

/** The points that are marked on boards of the usual sizes. */
export function stars(size: number): [number, number][] {
  if (size < 7) return [];
  const edge = size < 13 ? 2 : 3;
  const lines = size >= 15 ? [edge, (size - 1) / 2, size - 1 - edge] : [edge, size - 1 - edge];
  const found = lines.flatMap((row) => lines.map((column) => [row, column] as [number, number]));
  return size % 2 && size < 15 ? [...found, [(size - 1) / 2, (size - 1) / 2]] : found;
}

export const newGame = (size: number, handicap = 0): Game => ({
  size,
  komi: handicap ? 0.5 : 7.5,
  superko: false,
  handicap,
  black: [],
  white: [],
  first: '',
  moves: [],
});

/** Read a game record: the game, who played it, and what was repaired. */
export async function readRecord(file: File): Promise<Recorded> {
  let text = '';
  for (const byte of new Uint8Array(await file.arrayBuffer())) text += String.fromCharCode(byte);
  return send<Recorded>('POST', '/go/load', { sgf: btoa(text) });
}

export interface Recorded {
  game: Game;
  names: { black: string; white: string };
  result: string;
  warnings: string[];
}

export const ask = <Answer>(action: string, game: Game, more: Record<string, unknown> = {}): Promise<Answer> =>
  send<Answer>('POST', `/go/${action}`, { game, ...more });
