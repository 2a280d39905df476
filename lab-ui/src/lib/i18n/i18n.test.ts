import { expect, test } from 'vitest';

import { chosenLanguage, en, language, t, zh } from './index.svelte';

const pages = Object.keys(en) as (keyof typeof en)[];

test.each(pages)('every string of %s is there in both languages, with the same values', (page) => {
  const [english, chinese] = [en[page] as Record<string, string>, zh[page] as Record<string, string>];
  expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort());
  const fields = (text = '') => [...new Set(text.match(/\{\w+\}/g))].sort();
  for (const key of Object.keys(english)) expect(fields(chinese[key]), key).toEqual(fields(english[key]));
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
