/** Every key that does something, registered where it does it, and listed by `?`. */
import { untrack } from 'svelte';

import type { Key } from './i18n/index.svelte';

export interface Shortcut {
  /** As `KeyboardEvent.key` says it: 'c', '?', 'ArrowLeft', ' '; or 'Arrows', for the list. */
  key: string;
  title: Key;
  /** Left out where a part of the page hears the key itself: then it is only listed. */
  run?: (event: KeyboardEvent) => void;
}

class Shortcuts {
  list = $state.raw<Shortcut[]>([]);
  open = $state(false);

  /** Add shortcuts for as long as a component lives: `$effect(() => shortcuts.add([...]))`. */
  add(added: Shortcut[]): () => void {
    untrack(() => (this.list = [...this.list, ...added]));
    const keys = new Set(added.map(({ key, title }) => key + title));
    return () => {
      untrack(() => (this.list = this.list.filter(({ key, title }) => !keys.has(key + title))));
    };
  }

  /** Run what a key stands for, unless somebody is writing. */
  press(event: KeyboardEvent): void {
    if (this.open && event.key !== '?') return;
    const target = event.target as HTMLElement | null;
    const writing = target?.closest('input:not([type=range],[type=checkbox],[type=radio]),textarea,select,[contenteditable]');
    if (writing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key.startsWith('Arrow') && target?.closest('input,audio,video,pre')) return;
    if (event.key === ' ' && target?.closest('button,a,summary,audio,video,[role=button]')) return;
    const found = this.list.findLast(({ key, run }) => run && key === event.key);
    if (!found?.run) return;
    event.preventDefault();
    found.run(event);
  }
}

export const shortcuts = new Shortcuts();

/** A key as people write it. */
export function keyName(key: string): string {
  const names: Record<string, string> = {
    ' ': 'Space',
    ArrowLeft: '←',
    ArrowRight: '→',
    ArrowUp: '↑',
    ArrowDown: '↓',
    Arrows: '← ↑ ↓ →',
    Escape: 'Esc',
  };
  return names[key] ?? key;
}
