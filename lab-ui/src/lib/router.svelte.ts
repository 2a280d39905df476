/** Addresses of pages: the History API, and a table of patterns. */
import type { Component } from 'svelte';

export type Params = Record<string, string>;

export interface Page {
  /** `/m/:net/:layer/:unit`: a part after a colon is handed to the page. */
  pattern: string;
  load: () => Promise<{ default: Component<{ params: Params }> }>;
}

/** The parameters of a path that fits a pattern, or null. */
export function match(pattern: string, path: string): Params | null {
  const wanted = pattern.split('/').filter(Boolean);
  const given = path.split('/').filter(Boolean);
  if (wanted.length !== given.length) return null;
  const params: Params = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = decode(value);
    else if (part !== value) return null;
  }
  return params;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Location {
  path = $state(typeof location === 'undefined' ? '/' : location.pathname);
  search = $state(typeof location === 'undefined' ? '' : location.search);

  /** Follow the browser's back and forward, and every link of this page. */
  listen(): void {
    window.addEventListener('popstate', () => this.read());
    document.addEventListener('click', (event) => {
      const link = (event.target as Element | null)?.closest?.('a');
      if (!link || event.defaultPrevented || event.button !== 0) return;
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      if (link.origin !== location.origin || link.target || link.hasAttribute('download')) return;
      if (/^\/(api|docs)(\/|$)/.test(link.pathname) || link.pathname.endsWith('.json')) return;
      if (link.hash && link.pathname === location.pathname) return;
      event.preventDefault();
      this.go(link.pathname + link.search);
    });
  }

  /** Show another page; `replace` leaves no step to come back to. */
  go(url: string, replace = false): void {
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    const before = this.path;
    this.read();
    if (before !== this.path) window.scrollTo(0, 0);
  }

  private read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }
}

export const here = new Location();
