/** Verbs and their settings, as the server's schema says: one schema for flags, files and this form. */
import { get, type Schemas } from './api';
import { shellQuoted } from './command';
import { t, type Key } from './i18n/index.svelte';
import type { Handed } from './jobs.svelte';
import { reference } from './runs.svelte';

/** A setting, and the verb whose setting it is. */
export type FieldSchema = Schemas['FieldSchema'] & { verb: string };
export type VerbSchema = Omit<Schemas['VerbSchema'], 'fields'> & { fields: FieldSchema[] };

/** Whether a setting is a file, or several, that the page hands over. */
export const takesFiles = ({ takes }: FieldSchema): boolean => takes !== null && /picture|painting|sound|result|folder/.test(takes);

/** Values of a form by field: what was given; what is left out has its default. */
export type Values = Record<string, string | boolean | string[]>;
export type Files = Record<string, Handed[]>;

const known = new Map<string, Promise<VerbSchema>>();

/** The settings on which the others of a training depend; with a recipe its values are the defaults. */
export const DECIDING = ['task', 'recipe', 'reduced'];

/** Those of some settings on which others depend, as texts. */
export function deciding(settings: Record<string, unknown>): Record<string, string> {
  const given = DECIDING.flatMap((name) => (settings[name] ? [[name, String(settings[name])]] : []));
  return Object.fromEntries(given) as Record<string, string>;
}

/** The schema of a verb, asked for once; it may depend on settings. */
export function schemaOf(verb: string, about: Record<string, string> = {}): Promise<VerbSchema> {
  const key = `${verb}?${new URLSearchParams(about)}`;
  let found = known.get(key);
  if (!found) {
    found = get('/verbs/{verb}', { path: { verb }, query: about }).then((schema) => ({
      ...schema,
      fields: schema.fields.map((field) => ({ ...field, verb })),
    }));
    found.catch(() => known.delete(key));
    known.set(key, found);
  }
  return found;
}

const TITLES: Record<string, Key> = {
  train: 'work.train',
  explain: 'work.explain',
  dream: 'work.dream',
  style: 'work.style',
  'style apply': 'work.styleApply',
  visualize: 'work.visualize',
  units: 'work.units',
  unit: 'work.unit',
  atlas: 'work.atlas',
  embed: 'atlas.open',
  classify: 'work.classify',
  look: 'work.look',
  caricature: 'work.caricature',
  invert: 'work.invert',
  factors: 'work.factors',
  export: 'work.export',
  'data check': 'work.dataCheck',
  tour: 'work.tour',
  replay: 'work.replay',
};

/** What a verb is called on the page; the verb itself where it has no title. */
export function verbTitle(verb: string): string {
  const key = TITLES[verb];
  return key ? t(key) : verb;
}

/** The page on which a verb is begun; null where it has none. */
export function pageOf(verb: string): string | null {
  const pages: Record<string, string> = {
    train: '/train',
    embed: '/atlas',
    explain: '/explain',
    dream: '/dream',
    style: '/dream/style',
    'style apply': '/dream/apply',
  };
  return pages[verb] ?? (verb in TITLES && !['replay', 'tour', 'data check'].includes(verb) ? `/do/${verb.replaceAll(' ', '-')}` : null);
}

const asText = (value: unknown): string => (value === null || value === undefined ? '' : String(value));

/** The settings to send: values that were given and differ from their defaults. */
export function settingsOf(fields: FieldSchema[], values: Values, files: Files): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.name];
    if (value === undefined || files[field.name]?.length) continue;
    if (DECIDING.includes(field.name)) {
      if (value) settings[field.name] = value;
      continue;
    }
    if (Array.isArray(value)) {
      const given = value.map((text) => text.trim()).filter(Boolean);
      const usual = Array.isArray(field.default) ? field.default.map(asText) : [];
      if (given.length && given.join('\n') !== usual.join('\n')) settings[field.name] = given;
    } else if (typeof value === 'boolean') {
      if (value !== Boolean(field.default)) settings[field.name] = value;
    } else if (value.trim() && value.trim() !== asText(field.default)) {
      settings[field.name] = value.trim();
    }
  }
  return settings;
}

/** What a command names for handed over files: each, or the folder in which they lie. */
function namesOf(field: FieldSchema, files: Files): string[] | undefined {
  const names = files[field.name]?.map(({ name }) => name || 'FOLDER');
  const whole = names?.length === 1 && !names[0]?.includes('/');
  return !names?.length || field.repeats || (whole && field.name !== 'root') ? names : ['FOLDER'];
}

/** The command of the terminal with the same effect, where the lab was started. */
export function commandOf(schema: VerbSchema, values: Values, files: Files): string {
  const word = (value: unknown): string => shellQuoted(reference(String(value)));
  const settings = settingsOf(schema.fields, values, files);
  const words: string[] = [];
  // Where a recipe or another network decides the network, an argument is the data.
  const flags = settings.recipe || settings.from_ ? ['network'] : [];
  const isWord = (field: FieldSchema) => field.positional && !flags.includes(field.name);
  for (const field of schema.fields.filter(isWord)) {
    const named = namesOf(field, files);
    const given = named?.length ? named : (settings[field.name] ?? (field.required ? field.title.toUpperCase() : null));
    if (given === null || given === undefined) {
      if (words.length || !asText(field.default)) continue;
      words.push(shellQuoted(asText(field.default)));
    } else words.push(...(Array.isArray(given) ? given : [given]).map(word));
  }
  for (const field of schema.fields.filter((field) => !isWord(field))) {
    const flag = `--${field.name.replace(/_$/, '').replaceAll('_', '-')}`;
    const named = namesOf(field, files);
    const given = named?.length ? named : settings[field.name];
    if (given === undefined) continue;
    if (typeof given === 'boolean') words.push(given ? flag : `--no-${flag.slice(2)}`);
    else for (const one of Array.isArray(given) ? given : [given]) words.push(flag, word(one));
  }
  return ['convscope', schema.verb, ...words].join(' ');
}

/** Values of a form that repeat what a job was given. */
export function valuesOf(fields: FieldSchema[], settings: Record<string, unknown>): Values {
  const values: Values = {};
  for (const { name } of fields) {
    const value = settings[name];
    if (value === undefined || value === null) continue;
    values[name] = Array.isArray(value) ? value.map(String) : typeof value === 'boolean' ? value : String(value);
  }
  return values;
}
