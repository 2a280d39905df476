/** A game of Go as the page keeps it, and questions about it; the server keeps nothing. */
import { post, type Schemas } from './api';

export type Colour = 'black' | 'white';

export type Game = Required<Omit<Schemas['Game'], 'first'>> & Pick<Schemas['Game'], 'first'>;
/** What is waited for; then nothing else is there. */
type Waiting = Partial<Schemas['Compiling']>;
export type Suggestion = Schemas['Suggestion'];
export type Position = Schemas['Position'] & Waiting;
export type Reply = Schemas['Reply'] & Waiting;
export type SearchedMove = Schemas['SearchedMove'];
export type Analysis = Schemas['Searched'] & Waiting;
export type Score = Schemas['Score'];
export type Recorded = Schemas['LoadedGame'];

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
  return post('/go/load', { body: { sgf: btoa(text) } });
}

interface Answers {
  state: Position;
  reply: Reply;
  analysis: Analysis;
  score: Score;
  save: Schemas['SavedGame'];
}

/** Ask about a game. */
export const ask = <Action extends keyof Answers>(action: Action, game: Game, more: Record<string, unknown> = {}): Promise<Answers[Action]> =>
  post(`/go/${action}`, { body: { game, ...more } } as never) as Promise<Answers[Action]>;
