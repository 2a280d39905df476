/** Files that a user drops or chooses to learn from: pictures and sounds by class, texts, game records. */
import type { World } from './datasets';

export interface FolderFile {
  /** `class/name`, with the folder of a part above it where there is one: `train/class/name`. */
  name: string;
  file: File;
}

interface Found {
  path: string;
  file: File;
}

const KINDS: Record<World, RegExp> = {
  image: /\.(png|jpe?g|webp|bmp|gif|tiff?|ppm|avif)$/i,
  sound: /\.(wav|flac|og[ga]|opus|mp3|aiff?|au)$/i,
  text: /\.(txt|[ct]sv)(\.gz)?$/i,
  go: /\.(sgf|zip|tsv(\.xz)?)$/i,
  vector: /$^/,
};
/** Worlds whose files lie in a folder for each class. */
const BY_CLASS: World[] = ['image', 'sound'];

/** Whether the files of a world must lie in folders. */
export const inFolders = (world: World): boolean => BY_CLASS.includes(world);

/** Keep the files that can be learned from, named below the folder that was given; hidden ones are left out. */
export function usable(found: Found[], world: World): FolderFile[] {
  const good = found.flatMap(({ path, file }) => {
    const parts = path.split('/').filter(Boolean);
    return parts.some((part) => part.startsWith('.')) || !KINDS[world].test(file.name) ? [] : [{ parts, file }];
  });
  const least = inFolders(world) ? 2 : 1;
  let depth = 0;
  while (nested(good.map(({ parts }) => parts.slice(depth)), least)) depth += 1;
  return good.flatMap(({ parts, file }) => {
    const own = parts.slice(depth);
    if (own.length < least) return [];
    return [{ name: own.join('/'), file }];
  });
}

/** Whether all files lie in one folder that is none of theirs: not the folder of a class, nor of a part. */
function nested(paths: string[][], least: number): boolean {
  const first = paths[0]?.[0];
  if (first === undefined || paths.some(([top]) => top !== first)) return false;
  return 2 * paths.filter(({ length }) => length > least).length > paths.length;
}

/** The files of an `<input type="file">`, with `webkitdirectory` or without. */
export function chosen(list: FileList): Found[] {
  return [...list].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** The files of dropped folders, however deep, and dropped files. */
export async function dropped(items: DataTransferItemList): Promise<Found[]> {
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: Found[] = [];
  const walk = async (entry: FileSystemEntry): Promise<void> => {
    if (entry.isFile) {
      const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
      found.push({ path: entry.fullPath, file });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      // A reader hands over a hundred entries at a time, and none at the end.
      const part = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
      if (!part.length) return;
      for (const inside of part) await walk(inside);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}
