/** Commands of the terminal, as people type them. */

/** Quote a word for a POSIX shell where it needs quotes. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
