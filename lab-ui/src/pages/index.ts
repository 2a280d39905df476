/** The pages of the lab and their addresses; each page is loaded when it is first shown. */
import type { Key } from '../lib/i18n/index.svelte';
import type { Page } from '../lib/router.svelte';

const watch = () => import('./Watch.svelte');
const dream = () => import('./Dream.svelte');

export const PAGES: Page[] = [
  { pattern: '/', load: watch },
  { pattern: '/m/:net', load: watch },
  { pattern: '/m/:net/:layer', load: () => import('./Units.svelte') },
  { pattern: '/m/:net/:layer/:unit', load: watch },
  { pattern: '/build', load: () => import('./Build.svelte') },
  { pattern: '/train', load: () => import('./Train.svelte') },
  { pattern: '/explain', load: () => import('./Explain.svelte') },
  { pattern: '/dream', load: dream },
  { pattern: '/dream/:mode', load: dream },
  { pattern: '/atlas', load: () => import('./Atlas.svelte') },
  { pattern: '/go', load: () => import('./Go.svelte') },
  { pattern: '/use', load: () => import('./Use.svelte') },
  { pattern: '/do/:verb', load: () => import('./Do.svelte') },
  { pattern: '/jobs', load: () => import('./Jobs.svelte') },
  { pattern: '/jobs/:id', load: () => import('./Job.svelte') },
];

/** What the header lists, in the order of the work: watch, build, teach, ask, use. */
export const NAVIGATION: { href: string; title: Key; under: RegExp }[] = [
  { href: '/', title: 'common.watch', under: /^\/($|m(\/|$))/ },
  { href: '/build', title: 'build.title', under: /^\/build/ },
  { href: '/train', title: 'train.title', under: /^\/train/ },
  { href: '/explain', title: 'explain.title', under: /^\/explain/ },
  { href: '/dream', title: 'dream.title', under: /^\/dream/ },
  { href: '/do/visualize', title: 'work.methods', under: /^\/do\// },
  { href: '/atlas', title: 'atlas.title', under: /^\/atlas/ },
  { href: '/go', title: 'go.title', under: /^\/go/ },
  { href: '/use', title: 'use.title', under: /^\/use/ },
  { href: '/jobs', title: 'jobs.title', under: /^\/jobs/ },
];
