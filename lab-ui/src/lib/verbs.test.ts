import { expect, test } from 'vitest';

import type { NetworkSummary, Status } from './api';
import { networks } from './networks.svelte';
import { status } from './status.svelte';
import { commandOf, deciding, settingsOf, type FieldSchema, type VerbSchema } from './verbs';

const field = (name: string, usual: unknown = null, more: Partial<FieldSchema> = {}): FieldSchema => ({
  name, title: name, flag: `--${name}`, type: 'text', choices: null, default: usual, minimum: null, maximum: null, exclusive: [],
  repeats: false, required: false, help: '', positional: false, takes: null, verb: 'train', ...more,
});
const train: VerbSchema = {
  verb: 'train',
  summary: '',
  help: '',
  fields: [
    field('network', 'lecture-relu', { positional: true }),
    field('data', 'digits', { positional: true, takes: 'a data set' }),
    field('recipe', ''),
    field('task', 'classification'),
    field('epochs', 3),
    field('root'),
  ],
};
const file = (name: string) => ({ id: 'x', name });

test('what decides the settings is always sent', () => {
  const values = { task: 'classification', recipe: '', epochs: '3', network: 'mlp' };
  expect(settingsOf(train.fields, values, {})).toEqual({ task: 'classification', network: 'mlp' });
  expect(deciding({ recipe: 'lenet5', epochs: 3, reduced: true, task: '' })).toEqual({ recipe: 'lenet5', reduced: 'true' });
});

test('a command names the folder in which handed over files lie', () => {
  const folder = { data: [file('cats/1.png'), file('dogs/2.png')] };
  expect(commandOf(train, { network: 'mlp' }, folder)).toBe('convscope train mlp FOLDER');
  expect(commandOf(train, { network: 'kim_cnn' }, { data: [file('reviews.csv')] })).toBe('convscope train kim_cnn reviews.csv');
  expect(commandOf(train, { data: 'mnist', root: '/sets/my mnist' }, {})).toBe("convscope train lecture-relu mnist --root '/sets/my mnist'");
  expect(commandOf(train, { data: 'fsdd' }, { root: [file('recordings.zip')] })).toBe('convscope train lecture-relu fsdd --root FOLDER');
});

test('with a recipe the argument is the data, and another network a flag', () => {
  expect(commandOf(train, { recipe: 'lenet5', data: 'mnist' }, {})).toBe('convscope train mnist --recipe lenet5');
  expect(commandOf(train, { recipe: 'lenet5', network: 'mlp', data: 'mnist' }, {})).toBe('convscope train mnist --network mlp --recipe lenet5');
});

test('a training is named by its folder in the terminal, wherever the lab keeps it', () => {
  const explain = { ...train, verb: 'explain', fields: [field('net', 'digits')] };
  const command = (net: string) => commandOf(explain, { net }, {}).slice('convscope explain --net '.length);
  status.answer = { folder: 'my results' } as Status;
  expect(command('run:mine')).toBe("'my results/mine'");
  status.answer = { folder: '/data/runs' } as Status;
  networks.list = [{ name: 'run:a@home' } as NetworkSummary];
  expect([command('run:mine@best'), command('run:a@home'), command('timm/resnet18')]).toEqual(['/data/runs/mine', '/data/runs/a@home', 'timm/resnet18']);
});
