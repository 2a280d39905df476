/** What can be trained on: sets of every world by name, and the named recipes that fit them. */
import { get, type Schemas } from './api';
import type { Values } from './verbs';

export type DataSet = Schemas['DataSet'];
export type FittingRecipe = Schemas['FittingRecipe'];
export type WorldChoices = Schemas['WorldChoices'];
export type World = WorldChoices['world'];

/** What stands for files of the user in the place of the name of a set. */
export const FILES = '';

/** Where the settings begin without a recipe, by world; null where only a recipe fits. */
export const PLAIN: Record<World, Values | null> = {
  image: { network: 'lecture-relu', epochs: '3' },
  sound: { network: 'sound-square' },
  text: { network: 'kim_cnn' },
  go: { task: 'go' },
  vector: null,
};

/** Sets that only some recipes can learn from. */
const PARTICULAR = ['strokes'];

let known: Promise<WorldChoices[]> | null = null;

/** All choices, asked for once. */
export function choices(): Promise<WorldChoices[]> {
  known ??= get('/datasets').catch((raised: Error) => {
    known = null;
    throw raised;
  });
  return known;
}

/** The recipes that learn from a set, or from files of the user. */
export function fitting(found: WorldChoices, set: string): FittingRecipe[] {
  return found.recipes.filter((recipe) => (set === FILES ? recipe.files : recipe.sets.includes(set)));
}

/** Whether settings without a recipe can learn from a set. */
export const plainFits = (world: World, set: string): boolean => PLAIN[world] !== null && !PARTICULAR.includes(set);

/** The recipe that is proposed for a set: the one that was chosen, the world's own, or the first. */
export function proposed(found: WorldChoices, set: string, chosen: string): string {
  const names = fitting(found, set).map(({ name }) => name);
  if (names.includes(chosen)) return chosen;
  if (plainFits(found.world, set) && (chosen || !found.start)) return '';
  return names.includes(found.start) ? found.start : plainFits(found.world, set) ? '' : (names[0] ?? '');
}

/** The world of a training by what it was given. */
export function worldOf(all: WorldChoices[], settings: Record<string, unknown>, files: string[]): World {
  if (settings.task === 'go') return 'go';
  const recipe = all.flatMap(({ recipes }) => recipes).find(({ name }) => name === settings.recipe);
  if (recipe) return recipe.world;
  const named = all.find(({ sets }) => sets.some(({ name }) => name === settings.data));
  if (named && !files.length) return named.world;
  const kinds: [World, RegExp][] = [
    ['sound', /\.(wav|flac|og[ga]|opus|mp3|aiff?|au)$/i],
    ['go', /\.(sgf|xz)$/i],
    ['text', /\.(txt|[ct]sv)(\.gz)?$/i],
  ];
  return kinds.find(([, ending]) => files.some((name) => ending.test(name)))?.[0] ?? 'image';
}
