/** A training as the document of its job shows it while it runs, and after. */
import type { Schemas } from './api';
import type { Artifact, Job } from './jobs.svelte';

export type Metric = Schemas['Metric'];
export type Epoch = Schemas['TrainingEpoch'];
export type Kernels = Schemas['Kernels'];
export type Sample = Schemas['TestSample'];
export type Outcome = Schemas['Outcome'];
export type Ablation = Schemas['Ablation'];

export interface Point {
  /** With a fraction. */
  epochs_done: number;
  loss: number | null;
  lr: number;
  [metric: string]: number | null;
}

export type Training = Omit<Schemas['Training'], 'curve' | 'test'> & {
  curve: Point[];
  test: { confusion?: number[][] | null; [name: string]: unknown } | null;
};

/** What a job shows of its training; null before there is anything. */
export function trainingOf(job: Job): Training | null {
  return (job.document?.training as Training | undefined) ?? null;
}

/** The names of the classes, in the order of the confusion matrix. */
export function classesOf(job: Job, training: Training): string[] {
  const named = (training.test as { classes?: string[] } | null)?.classes ?? Object.keys((job.document?.classes as object | null) ?? {});
  const count = training.test?.confusion?.length ?? 0;
  return named.length === count ? named : Array.from({ length: count }, (_, index) => named[index] ?? String(index));
}

/** The sheet on which the test samples are drawn. */
export function sheetOf(job: Job): Artifact | null {
  return job.artifacts.find(({ kind, title }) => kind === 'image' && title.startsWith('test samples')) ?? null;
}

/** The metric by which a training is judged. */
export function primaryOf(training: Training): Metric {
  const known = measured(training);
  const found =
    known.find(({ name }) => name === 'accuracy') ??
    known.find(({ name, higher_is_better }) => name !== 'loss' && higher_is_better) ??
    known.find(({ name }) => name !== 'loss');
  return found ?? training.metrics[0] ?? { name: 'loss', heading: 'loss', higher_is_better: false };
}

/** The metrics that were measured so far, in steps of the training or on the test data. */
function measured(training: Training): Metric[] {
  const has = (values: Record<string, number | null>, name: string) => typeof values[name] === 'number';
  const found = training.metrics.filter(
    ({ name }) => training.curve.some((point) => has(point, name)) || training.epochs.some(({ test_metrics }) => has(test_metrics, name)),
  );
  return found.length ? found : training.metrics;
}

/** The metrics whose curves are drawn: the loss, or losses of other names, and the one that judges. */
export function drawn(training: Training): Metric[] {
  const primary = primaryOf(training);
  const known = measured(training);
  const losses = known.filter(({ name }) => name === 'loss');
  const others = losses.length ? [] : known.filter(({ higher_is_better }) => !higher_is_better).slice(0, 2);
  return [...losses, ...others, primary].filter((metric, index, list) => list.findIndex(({ name }) => name === metric.name) === index);
}

/** The bytes of the kernels. */
export function bytesOf(kernels: Kernels): Uint8Array {
  return Uint8Array.from(atob(kernels.values), (character) => character.charCodeAt(0));
}
