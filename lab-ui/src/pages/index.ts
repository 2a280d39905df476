/** The pages of the lab and their addresses; each page is loaded when it is first shown. */
import type { Key } from '../lib/i18n/index.svelte';
import type { Page } from '../lib/router.svelte';

const watch = () => import('./Watch.svelte');

export const PAGES: Page[] = [
  { pattern: '/', load: watch },
  { pattern: '/m/:net', load: watch },
  { pattern: '/m/:net/:layer/:unit', load: watch },
  { pattern: '/build', load: () => import('./Build.svelte') },
];

/** What the header lists, in the order of the work: watch, build, teach, ask, use. */
export const NAVIGATION: { href: string; title: Key; under: RegExp }[] = [
  { href: '/', title: 'common.watch', under: /^\/($|m(\/|$))/ },
  { href: '/build', title: 'build.title', under: /^\/build/ },
];
