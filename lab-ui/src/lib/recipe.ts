/** The recipe that convscope writes into every picture it makes: read from a PNG without decoding it. */

export interface FoundRecipe {
  verb: string;
  settings: Record<string, unknown>;
}

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const KEY = 'convscope.recipe';

/** The recipe in the text chunk of a PNG; null for any other file, or one that is damaged. */
export function recipeIn(bytes: Uint8Array): FoundRecipe | null {
  if (!SIGNATURE.every((value, index) => bytes[index] === value)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const end = at + 8 + length;
    if (end + 4 > bytes.length) return null;
    if (kind === 'iTXt') {
      const found = parsed(bytes.subarray(at + 8, end));
      if (found) return found;
    }
    at = end + 4;
  }
  return null;
}

/** Parse an uncompressed iTXt chunk: keyword, flags, language, translated keyword, text. */
function parsed(chunk: Uint8Array): FoundRecipe | null {
  const key = chunk.indexOf(0);
  if (key < 0 || new TextDecoder().decode(chunk.subarray(0, key)) !== KEY || chunk[key + 1] !== 0) return null;
  const language = chunk.indexOf(0, key + 3);
  const translated = chunk.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return null;
  try {
    const { verb, versions: _versions, ...settings } = JSON.parse(new TextDecoder().decode(chunk.subarray(translated + 1)));
    return typeof verb === 'string' ? { verb, settings } : null;
  } catch {
    return null;
  }
}

/** The job in the name under which a result is saved, `convscope-1a2b-0.png`, also where a browser has added to it. */
export function jobInName(name: string): string | null {
  return /^convscope-([0-9a-f]{8,64})-\d+\b/.exec(name)?.[1] ?? null;
}
