import { expect, test } from 'vitest';

import { chosenLanguage, en, language, t, zh } from './index.svelte';

const pages = Object.keys(en) as (keyof typeof en)[];

test.each(pages)('every string of %s is there in both languages, with the same values', (page) => {
  const [english, chinese] = [en[page] as Record<string, string>, zh[page] as Record<string, string>];
  expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort());
  const fields = (text = '') => [...new Set(text.match(/\{\w+\}/g))].sort();
  for (const key of Object.keys(english)) expect(fields(chinese[key]), key).toEqual(fields(english[key]));
});

const sources = Object.values(import.meta.glob<string>('../../**/*.{svelte,ts}', { query: '?raw', import: 'default', eager: true })).join('\n');

test.each(pages)('every string of %s is used', (page) => {
  // A part of a key may be a value: t(`watch.scale_${scale}`).
  const built = [...sources.matchAll(new RegExp(`\`${page}\\.(\\w*)\\$\\{`, 'g'))].map(([, start]) => start ?? '');
  // Names that the server gives: t(`data.${name}` as Key).
  const anything = new RegExp(`\`${page}\\.\\$\\{\\w+\\}\` as Key`).test(sources);
  const unused = Object.keys(en[page]).filter((key) => !anything && !sources.includes(`'${page}.${key}'`) && !built.some((start) => (start ? key.startsWith(start) : [`'${key}'`, `"${key}"`].some((text) => sources.includes(text)))));
  expect(unused).toEqual([]);
});

test('the address decides before the cookie, the cookie before the browser', () => {
  expect(chosenLanguage('?lang=en', 'convscope-lang=zh', 'zh-CN')).toBe('en');
  expect(chosenLanguage('', 'a=b; convscope-lang=zh', 'en-GB')).toBe('zh');
  expect(chosenLanguage('', '', 'zh-TW')).toBe('zh');
  expect(chosenLanguage('?lang=fr', '', 'zh-TW')).toBe('en');
});

test('values take the place of their names', () => {
  language.current = 'en';
  expect(t('common.ready', { device: 'cpu' })).toBe('ready on cpu');
  language.current = 'zh';
  expect(t('common.ready', { device: 'cpu' })).toBe('已就绪：cpu');
});
