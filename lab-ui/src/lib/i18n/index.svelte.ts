/**
 * Every string of the page, in English and Chinese, under keys that the compiler knows.
 *
 * A page keeps its own pair of files (`build.en.json`, `build.zh.json`); its keys start with the file's name:
 * `t('build.title')`. A key that lacks its Chinese twin is a type error, the other way round a failing test.
 */
import { here } from '../router.svelte';
import atlasEn from './atlas.en.json';
import atlasZh from './atlas.zh.json';
import buildEn from './build.en.json';
import buildZh from './build.zh.json';
import commonEn from './common.en.json';
import commonZh from './common.zh.json';
import compareEn from './compare.en.json';
import compareZh from './compare.zh.json';
import dataEn from './data.en.json';
import dataZh from './data.zh.json';
import dreamEn from './dream.en.json';
import dreamZh from './dream.zh.json';
import explainEn from './explain.en.json';
import explainZh from './explain.zh.json';
import jobsEn from './jobs.en.json';
import jobsZh from './jobs.zh.json';
import trainEn from './train.en.json';
import trainZh from './train.zh.json';
import goEn from './go.en.json';
import goZh from './go.zh.json';
import useEn from './use.en.json';
import useZh from './use.zh.json';
import unitEn from './unit.en.json';
import unitZh from './unit.zh.json';
import unitsEn from './units.en.json';
import unitsZh from './units.zh.json';
import watchEn from './watch.en.json';
import watchZh from './watch.zh.json';
import wordsEn from './words.en.json';
import wordsZh from './words.zh.json';
import workEn from './work.en.json';
import workZh from './work.zh.json';

export const en = {
  atlas: atlasEn,
  build: buildEn,
  common: commonEn,
  compare: compareEn,
  data: dataEn,
  dream: dreamEn,
  explain: explainEn,
  go: goEn,
  jobs: jobsEn,
  use: useEn,
  train: trainEn,
  unit: unitEn,
  units: unitsEn,
  watch: watchEn,
  words: wordsEn,
  work: workEn,
};

type Tables = { [Page in keyof typeof en]: Record<keyof (typeof en)[Page], string> };

export const zh: Tables = {
  atlas: atlasZh,
  build: buildZh,
  common: commonZh,
  compare: compareZh,
  data: dataZh,
  dream: dreamZh,
  explain: explainZh,
  go: goZh,
  jobs: jobsZh,
  use: useZh,
  train: trainZh,
  unit: unitZh,
  units: unitsZh,
  watch: watchZh,
  words: wordsZh,
  work: workZh,
};

export type Key = { [Page in keyof typeof en]: `${Page}.${keyof (typeof en)[Page] & string}` }[keyof typeof en];

export type Lang = 'en' | 'zh';

const COOKIE = 'convscope-lang';

/** The language that the address (`?lang=zh`) names, else the cookie; null where neither does. */
function namedLanguage(search: string, cookie: string): string | null {
  return new URLSearchParams(search).get('lang') ?? cookie.match(/(?:^|;\s*)convscope-lang=(en|zh)/)?.[1] ?? null;
}

/** The language of the address, else of the cookie, else of the browser. */
export function chosenLanguage(search: string, cookie: string, browser: string): Lang {
  return (namedLanguage(search, cookie) ?? browser).toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

class Language {
  current = $state<Lang>(
    typeof document === 'undefined' ? 'en' : chosenLanguage(location.search, document.cookie, navigator.language),
  );

  /** Whether somebody chose: the server's default is for those who did not. */
  private named = typeof document !== 'undefined' && namedLanguage(location.search, document.cookie) !== null;

  /** Take the server's default, `auto` for the browser's own, unless another language was named. */
  usual(lang: string): void {
    if (!this.named && (lang === 'en' || lang === 'zh')) this.current = lang;
  }

  /** Show the page in a language, and remember it in a cookie; the address names no other any more. */
  set(lang: Lang): void {
    this.current = lang;
    this.named = true;
    document.cookie = `${COOKIE}=${lang}; path=/; max-age=31536000; samesite=strict`;
    const query = new URLSearchParams(here.search);
    if (!query.has('lang')) return;
    query.delete('lang');
    here.go([here.path, String(query)].filter(Boolean).join('?') + location.hash, true);
  }
}

export const language = new Language();

/** The string of a key in the current language; `{name}` stands for a value. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const [page, name] = key.split('.') as [keyof Tables, string];
  const table = (language.current === 'zh' ? zh : en)[page] as Record<string, string>;
  return (table[name] ?? key).replace(/\{(\w+)\}/g, (whole, field: string) => String(values[field] ?? whole));
}
