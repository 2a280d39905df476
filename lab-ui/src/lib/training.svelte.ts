/** A training as its events tell it: curve, epochs, filters, what is frozen, what became of requests. */
import type { LabError } from './api';

export interface Metric {
  name: string;
  heading: string;
  primary: boolean;
}

export interface Point {
  /** Epochs done, with a fraction. */
  epoch: number;
  lo: number | null;
  hi: number | null;
  loss: number | null;
  lr: number;
  metrics: Record<string, number | null>;
}

export interface Epoch {
  index: number;
  epochs: number;
  metrics: Record<string, number | null>;
  test_metrics: Record<string, number | null>;
  seconds: number;
  lr: number;
  worst: string;
  best: boolean;
  classes?: string[];
  test: { confusion?: number[][] | null } | null;
}

export interface Filters {
  layer: string;
  /** Units, input channels, extent. */
  shape: number[];
  values: (number | null)[];
}

export interface Outcome {
  action: string;
  value: unknown;
  epoch: number;
  step: number;
  error: LabError | null;
}

export class TrainingView {
  points = $state.raw<Point[]>([]);
  epochs = $state.raw<Epoch[]>([]);
  filters = $state.raw<Filters | null>(null);
  run = $state('');
  paused = $state(false);
  frozen = $state.raw<string[]>([]);
  highest = $state<number | null>(null);
  metrics = $state.raw<Metric[]>([]);
  outcomes = $state.raw<Outcome[]>([]);

  /** Take in an event of the job. */
  hear(kind: string, body: Record<string, unknown>): void {
    switch (kind) {
      case 'point':
        this.points = [...this.points, body as unknown as Point];
        break;
      case 'curve':
        this.points = body.points as Point[];
        break;
      case 'epoch': {
        const epoch = body as unknown as Epoch;
        this.epochs = [...this.epochs.filter(({ index }) => index < epoch.index), epoch];
        break;
      }
      case 'filters':
        this.filters = body as unknown as Filters;
        break;
      case 'control':
        this.outcomes = [...this.outcomes, body as unknown as Outcome];
        break;
      case 'training':
        this.run = String(body.run ?? '');
        this.paused = Boolean(body.paused);
        this.frozen = (body.frozen as string[] | undefined) ?? [];
        this.highest = (body.highest_lr as number | undefined) ?? null;
        this.metrics = (body.metrics as Metric[] | undefined) ?? [];
        break;
    }
  }

  /** Begin anew, before the events are told again. */
  clear(): void {
    this.points = [];
    this.epochs = [];
    this.outcomes = [];
  }

  get last(): Epoch | null {
    return this.epochs[this.epochs.length - 1] ?? null;
  }

  get primary(): Metric | null {
    return this.metrics.find(({ primary }) => primary) ?? null;
  }
}
