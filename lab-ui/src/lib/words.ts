/** The words of a sentence with their attributions: letters that a network reads one by one are put together. */

import type { Schemas } from './api';

/** A word or a character of an input, as the server divides it, and what it adds. */
export type Piece = Schemas['AttributedPiece'];

export interface Word {
  text: string;
  value: number;
  first: number;
  last: number;
  /** Whether the network's vocabulary lacks it. */
  unknown: boolean;
}

/** Letters, digits and apostrophes; of scripts that are written without spaces each character is a word. */
const SPELLED = /^[\p{L}\p{M}\p{N}_'’]+$/u;
const WHOLE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;
const UNKNOWN = '<unknown>';

const spelled = (text: string): boolean => SPELLED.test(text) && !WHOLE.test(text);

/**
 * Put letters together to words. Attributions add up, so the sum stays as it is; a space counts with the word
 * after it, or with the last one.
 */
export function wordsOf(pieces: readonly Piece[]): Word[] {
  const words: Word[] = [];
  let open = false;
  let space: Piece[] = [];
  for (const piece of pieces) {
    if (piece.text !== '' && piece.text.trim() === '') {
      space.push(piece);
      open = false;
      continue;
    }
    const letter = spelled(piece.text);
    const last = words.at(-1);
    if (open && letter && last) {
      last.text += piece.text;
      last.value += piece.value;
      last.last = piece.last;
    } else {
      const before = space.reduce((sum, { value }) => sum + value, 0);
      words.push({ text: piece.text, value: before + piece.value, first: space[0]?.first ?? piece.first, last: piece.last, unknown: piece.text === UNKNOWN });
      space = [];
    }
    open = letter && piece.gap === '';
  }
  const last = words.at(-1);
  if (last) for (const { value } of space) last.value += value;
  return words;
}
