/** A training as the document of its job shows it while it runs, and after. */
import type { LabError } from './api';
import type { Artifact, Job } from './jobs.svelte';

export interface Metric {
  name: string;
  heading: string;
  higher_is_better: boolean;
}

export interface Point {
  /** With a fraction. */
  epochs_done: number;
  loss: number | null;
  lr: number;
  [metric: string]: number | null;
}

export interface Epoch {
  index: number;
  epochs: number;
  metrics: Record<string, number | null>;
  test_metrics: Record<string, number | null>;
  seconds: number;
  lr: number;
  worst: string;
}

export interface Kernels {
  layer: string;
  /** Units, input channels, extent. */
  shape: number[];
  low: number;
  high: number;
  /** A byte for each weight, from `low` to `high`, in base64. */
  values: string;
}

export interface Sample {
  index: number;
  label: number;
  prediction: number;
  /** Of the prediction. */
  probability: number;
  /** Path below the folder of the data. */
  file?: string | null;
  text?: string | null;
}

export interface Outcome {
  action: string;
  value: unknown;
  epoch: number;
  step: number;
  error: LabError | null;
}

export interface Training {
  run: string;
  now: { epoch?: number; step?: number; steps?: number; lr?: number; samples_per_second?: number };
  paused: boolean;
  max_lr: number | null;
  controls: Outcome[];
  planned_epochs: number;
  metrics: Metric[];
  curve: Point[];
  epochs: Epoch[];
  frozen: string[];
  kernels: Kernels | null;
  test: { confusion?: number[][] | null; [name: string]: unknown } | null;
  /** `sound`: whether the samples can be heard. */
  samples: { image: string | null; tile: number; columns: number; sound?: boolean; samples: Sample[] } | null;
}

/** What a saved network answers with one unit switched off, beside its answers as it is. */
export interface Ablation {
  unit: string;
  samples: number;
  accuracy: number;
  ablated: number;
  /** The share of the answers that are others. */
  changed: number;
  hurt: { name: string; accuracy: number; ablated: number } | null;
}

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
