/** Folders that a user drops or chooses: the pictures and sounds in them, one folder for each class. */

export interface FolderFile {
  /** `class/name`. */
  name: string;
  file: File;
}

const KINDS = /\.(png|jpe?g|webp|bmp|gif|tiff?|wav|flac|ogg|mp3|txt|csv|sgf)$/i;

/** Keep the files that can be learned from, named by their class folder; hidden ones are left out. */
export function usable(found: { path: string; file: File }[]): FolderFile[] {
  return found.flatMap(({ path, file }) => {
    const parts = path.split('/').filter(Boolean);
    if (parts.length < 2 || parts.some((part) => part.startsWith('.')) || !KINDS.test(file.name)) return [];
    return [{ name: parts.slice(-2).join('/'), file }];
  });
}

/** The files of an `<input webkitdirectory>`. */
export function chosen(list: FileList): { path: string; file: File }[] {
  return [...list].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** The files of dropped folders, however deep. */
export async function dropped(items: DataTransferItemList): Promise<{ path: string; file: File }[]> {
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: { path: string; file: File }[] = [];
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
