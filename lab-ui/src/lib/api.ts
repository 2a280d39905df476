/** The server's answers as types, and one function that asks for them. */

export interface LabError {
  expected: string;
  received: string;
  hint: string;
}

export interface Status {
  version: string;
  device: string;
  torch_ready: boolean;
  workers: { live: string; jobs: string };
  lang_default: string;
  /** Of trainings and results, as the terminal names it where the lab was started. */
  folder: string;
}

export interface NetworkSummary {
  name: string;
  summary: string;
  world: string;
  shape: number[];
  classes: number;
  trained: boolean;
  origin: 'shipped' | 'zoo' | 'run';
}

export interface Field {
  size: number[];
  stride: number[];
  offset: number[];
  /** For each axis, whether every unit reads the input from end to end. */
  covers_all: boolean[];
}

export interface Layer {
  name: string;
  kind: string;
  shape: number[];
  parameters: number;
  macs: number;
  field: Field | null;
  inputs: string[];
  options: Record<string, unknown>;
}

export interface Checkpoint {
  /** Name of the network with these weights: `run:mine@best`. */
  name: string;
  checkpoint: 'last' | 'ema' | 'best' | 'previous';
  /** Finished epochs, and steps of the one after them. */
  epoch: number;
  step: number;
}

export interface Network {
  name: string;
  world: string;
  spec: { shape: number[]; axes: string; kind: string; value_range: [number, number]; classes: string[] };
  layers: Layer[];
  /** Names of the layers that are watched where none are named. */
  default_layers: string[];
  /** Name of the labelled data that ships for its inputs, or null. */
  data: string | null;
  trained: boolean;
  /** Other weights of a training: its checkpoints, as networks of their own names. */
  checkpoints: Checkpoint[];
  parameters: number;
  macs: number;
  text: string | null;
  command: string;
}

/** A real input on which a unit is strong. */
export interface TopInput {
  url: string;
  /** Its index in the data that ships. */
  sample: number;
  value: number;
  position: number[];
  class: string;
  /** What the unit depends on: first position of each axis, then the one after the last. */
  crop: number[];
  /** The words, where it is a text. */
  text?: string;
}

export interface Unit {
  address: string;
  layer: Layer;
  formula: { latex: string | null; text: string; term_count: number };
  kernel: { shape: number[]; values: number[] } | null;
  bias: number | null;
  activation: string | null;
  stride: number[] | null;
  padding: number[] | string | null;
  top: TopInput[];
  /** The share of the data that was looked through, null where no data ships. */
  indexed: number | null;
  data: string | null;
  visualization: { url: string } | null;
  code: string;
  command: string;
}

/** A unit in a list; what is not known yet, or cannot be known, is null. */
export interface UnitSummary {
  unit: number;
  address: string;
  /** Name of its class, of a unit of the output. */
  label: string;
  max: number | null;
  mean: number | null;
  /** The share of the data on which it is nowhere above 0. */
  inactive_share: number | null;
  dead: boolean | null;
  saturated: boolean | null;
  redundant: { unit: number; earlier: number; correlation: number } | null;
  top: TopInput | null;
  visualization: { url: string } | null;
}

/** The units of a layer, or some of them. */
export interface UnitList {
  net: string;
  layer: Layer;
  /** Units of the layer. */
  count: number;
  data: string | null;
  /** Shares of the data that were looked through: for statistics, and for redundant units. */
  indexed: number | null;
  compared: number | null;
  units: UnitSummary[];
}

/** What went wrong, as the server says it everywhere: expected, received, and what to do next. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly detail: LabError,
  ) {
    super(detail.expected);
  }
}

/** Ask the server: the parsed JSON of the answer, or an `ApiError`. */
export async function api<Answer>(path: string, options: RequestInit = {}): Promise<Answer> {
  const response = await checked(await fetch(`/api/v1${path}`, options));
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** The response, if the server did what it was asked for; what it says otherwise is thrown as an `ApiError`. */
export async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new ApiError(response.status, readError(response, await response.text()));
}

/** Send a JSON body with a method that changes something. */
export function send<Answer>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
  const options: RequestInit = { method };
  if (body !== undefined) {
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  return api<Answer>(path, options);
}

/** Hand a file to the server, which decodes it in its worker and answers with an id. */
export function upload(file: File): Promise<{ id: string; bytes: number; name: string }> {
  const headers = { 'X-Filename': encodeURIComponent(file.name), 'Content-Type': 'application/octet-stream' };
  return api('/uploads', { method: 'PUT', headers, body: file });
}

/** Where the sound is whose picture is at an address. */
export const soundOf = (url: string): string => url.replace(/\.png$/, '.wav');

/** The name of a network as a part of an address: `torchvision/alexnet` -> `torchvision~alexnet`. */
export const inPath = (name: string): string => encodeURIComponent(name.replaceAll('/', '~'));

/** The name of a network out of a part of an address. */
export const fromPath = (part: string): string => part.replaceAll('~', '/');

function readError(response: Response, text: string): LabError {
  try {
    const body = JSON.parse(text) as Partial<LabError> & { detail?: Partial<LabError>; error?: Partial<LabError> };
    const error = body.error ?? body.detail ?? body;
    if (error.expected !== undefined) return { received: '', hint: '', expected: '', ...error };
  } catch {
    // Not JSON: the status line is all there is to say.
  }
  return { expected: `${response.status} ${response.statusText}`, received: text.slice(0, 200), hint: '' };
}
