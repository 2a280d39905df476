import { expect, test } from 'vitest';

import board from './components/go/Board.svelte?raw';
import theme from './theme.css?raw';

type Colours = Record<string, string>;

/** Colours of a style sheet by name: in light, and in dark, which replaces some. */
function schemes(css: string): Colours[] {
  const read = (part: string): Colours => Object.fromEntries([...part.matchAll(/(--[\w-]+): (#[0-9a-f]{6})/g)].map(([, name, value]) => [name, value]));
  const [light = '', dark = ''] = css.split('prefers-color-scheme: dark');
  return [read(light), { ...read(light), ...read(dark) }];
}

/** Relative luminance, as WCAG 2 defines it. */
function luminance(colour: string): number {
  const linear = (share: number) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => linear(Number.parseInt(colour.slice(at, at + 2), 16) / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

test('the definition of contrast: black on white is 21, a colour on itself 1', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 6);
  expect(contrast('#1c5f9e', '#1c5f9e')).toBe(1);
});

test.each(['light', 'dark'])('text is readable on every ground in %s', (scheme) => {
  const colours = schemes(theme)[Number(scheme === 'dark')] as Colours;
  for (const ground of ['--paper', '--sheet', '--sunk'])
    for (const ink of ['--ink', '--ink-soft', '--ink-faint', '--accent', '--warm', '--good', '--bad'])
      expect(contrast(colours[ink] as string, colours[ground] as string), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
  for (const [ink, ground] of [['--on-accent', '--accent'], ['--accent', '--accent-soft'], ['--bad', '--bad-soft'], ['--ink', '--bad-soft']])
    expect(contrast(colours[ink as string] as string, colours[ground as string] as string), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
});

test.each(['light', 'dark'])('labels, hints and marks of the Go board are readable in %s', (scheme) => {
  const colours = schemes(board)[Number(scheme === 'dark')] as Colours;
  const on = (ink: string, ground: string) => contrast(colours[ink] as string, colours[ground] as string);
  expect(on('--label', '--board')).toBeGreaterThanOrEqual(4.5);
  for (const hint of ['--hint', '--hint-best']) expect(on(hint, '--hint-paper')).toBeGreaterThanOrEqual(4.5);
  for (const mark of ['--grid', '--plane']) expect(on(mark, '--board')).toBeGreaterThanOrEqual(3);
});
