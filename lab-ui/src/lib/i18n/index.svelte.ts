/**
 * Every string of the page, in English and Chinese, under keys that the compiler knows.
 *
 * A page keeps its own pair of files (`build.en.json`, `build.zh.json`); its keys start with the file's name:
 * `t('build.title')`. A key that lacks its Chinese twin is a type error, the other way round a failing test.
 */
import buildEn from './build.en.json';
import buildZh from './build.zh.json';
import commonEn from './common.en.json';
import commonZh from './common.zh.json';
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
import watchEn from './watch.en.json';
import watchZh from './watch.zh.json';
import workEn from './work.en.json';
import workZh from './work.zh.json';

export const en = {
  build: buildEn,
  common: commonEn,
  dream: dreamEn,
  explain: explainEn,
  go: goEn,
  jobs: jobsEn,
  use: useEn,
  train: trainEn,
  unit: unitEn,
  watch: watchEn,
  work: workEn,
};

type Tables = { [Page in keyof typeof en]: Record<keyof (typeof en)[Page], string> };

export const zh: Tables = {
  build: buildZh,
  common: commonZh,
  dream: dreamZh,
  explain: explainZh,
  go: goZh,
  jobs: jobsZh,
  use: useZh,
  train: trainZh,
  unit: unitZh,
  watch: watchZh,
  work: workZh,
};

export type Key = { [Page in keyof typeof en]: `${Page}.${keyof (typeof en)[Page] & string}` }[keyof typeof en];

export type Lang = 'en' | 'zh';

const COOKIE = 'convscope-lang';

/** The language of the address (`?lang=zh`), else of the cookie, else of the browser. */
export function chosenLanguage(search: string, cookie: string, browser: string): Lang {
  const asked = new URLSearchParams(search).get('lang');
  const kept = cookie.match(/(?:^|;\s*)convscope-lang=(en|zh)/)?.[1];
  return (asked ?? kept ?? browser).toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

class Language {
  current = $state<Lang>(
    typeof document === 'undefined' ? 'en' : chosenLanguage(location.search, document.cookie, navigator.language),
  );

  /** Show the page in a language, and remember it in a cookie. */
  set(lang: Lang): void {
    this.current = lang;
    document.cookie = `${COOKIE}=${lang}; path=/; max-age=31536000; samesite=strict`;
  }
}

export const language = new Language();

/** The string of a key in the current language; `{name}` stands for a value. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const [page, name] = key.split('.') as [keyof Tables, string];
  const table = (language.current === 'zh' ? zh : en)[page] as Record<string, string>;
  return (table[name] ?? key).replace(/\{(\w+)\}/g, (whole, field: string) => String(values[field] ?? whole));
}
