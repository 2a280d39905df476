/** What settings are called: the server's words in English, and translations of them. */
import { language } from './i18n/index.svelte';
import type { FieldSchema, VerbSchema } from './verbs';

type Texts = Record<string, [string, string]>;

class Translations {
  private texts = $state.raw<Texts | null>(null);
  private asked = false;

  /** The Chinese texts of the first key that has any; loaded when they are first wanted. */
  of(...keys: string[]): [string, string] | null {
    if (!this.asked) {
      this.asked = true;
      void import('./i18n/fields.zh.json').then(({ default: texts }) => (this.texts = texts as unknown as Texts));
    }
    const key = keys.find((one) => this.texts?.[one]);
    return key === undefined ? null : this.texts![key]!;
  }
}

const translations = new Translations();

/** Settings whose names are abbreviations, in words. */
const TITLES: Record<string, string> = {
  lr: 'Learning rate',
  probe_lr: 'Learning rate of the probe',
  net: 'Network',
  batch: 'Batch size',
  from_: 'Start from',
  ema: 'Moving average of weights',
  freeze_bn_stats: 'Keep batch statistics',
  top_k: 'Pictures of each unit',
  top: 'Answers',
};

/** What a setting is called. */
export function fieldTitle(field: FieldSchema): string {
  return (language.current === 'zh' && translations.of(`${field.verb}.${field.name}`, field.name)?.[0]) || TITLES[field.name] || field.title.charAt(0).toUpperCase() + field.title.slice(1);
}

/** What a verb does. */
export function verbSummary({ verb, summary }: VerbSchema): string {
  return (language.current === 'zh' && translations.of(`verb ${verb}`)?.[1]) || summary;
}

/** What a setting does. */
export function fieldHelp(field: FieldSchema): string {
  return (language.current === 'zh' && translations.of(`${field.verb}.${field.name}`, field.name)?.[1]) || field.help.charAt(0).toUpperCase() + field.help.slice(1);
}
