/** The typed client: paths, what they take and what they answer are those of the server's OpenAPI document. */
import { t } from './i18n/index.svelte';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type LabError = Schemas['LabError'];
export type Status = Schemas['Status'];
export type NetworkSummary = Schemas['NetworkSummary'];
export type Field = Schemas['ReceptiveField'];
export type Layer = Schemas['Layer'];
export type Network = Schemas['Network'];
export type TopInput = Schemas['TopInput'];
export type Unit = Schemas['Unit'];
export type UnitSummary = Schemas['UnitSummary'];
export type UnitList = Schemas['UnitList'];

const BASE = '/api/v1';

type Method = 'get' | 'post' | 'put' | 'delete';
/** The paths that have a method, without what all begin with. */
type PathsOf<M extends Method> = {
  [Path in keyof paths]: paths[Path][M] extends { responses: unknown } ? (Path extends `${typeof BASE}${infer Rest}` ? Rest : never) : never;
}[keyof paths];
type At<Path extends string, M extends Method> = `${typeof BASE}${Path}` extends keyof paths ? paths[`${typeof BASE}${Path}`][M] : never;
type Json<Message> = Message extends { content: { 'application/json': infer Body } } ? Body : undefined;
type Answer<Operation> = Operation extends { responses: infer Responses } ? Json<Responses[keyof Responses & (200 | 201 | 202)]> : never;

/** What a request is given: the parts of its path, its query, its body, as far as the operation has them. */
type Given<Operation> = (Operation extends { parameters: { path: infer Parts } } ? { path: Parts } : { path?: never }) &
  (Operation extends { parameters: { query: infer Query } }
    ? { query: Query }
    : Operation extends { parameters: { query?: infer Query } }
      ? { query?: Query }
      : { query?: never }) &
  (Operation extends { requestBody: infer Message } ? { body: Json<Message> } : { body?: never });
type Arguments<Operation> = object extends Given<Operation> ? [given?: Given<Operation>] : [given: Given<Operation>];

/** What went wrong, as the server says it everywhere: expected, received, and what to do next. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly detail: LabError,
  ) {
    super(detail.expected);
  }
}

/** The address of a path with its parts and query filled in. */
export function addressOf(path: string, parts: object = {}, query: object = {}): string {
  const named = parts as Record<string, string | number>;
  const filled = path.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(String(named[name])));
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const asked = String(new URLSearchParams(given.map(([name, value]) => [name, String(value)])));
  return [BASE + filled, asked].filter(Boolean).join('?');
}

/** Ask the server: the parsed JSON of the answer, or an `ApiError`. */
async function request(method: Method, path: string, given: unknown): Promise<unknown> {
  const { path: parts, query, body } = (given ?? {}) as { path?: object; query?: object; body?: unknown };
  const options: RequestInit = { method: method.toUpperCase() };
  if (body !== undefined) {
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  return (await fetchChecked(addressOf(path, parts, query), options)).json();
}

/** Status of an answer that did not come, as of one that says that the server is being started again. */
const AWAY = 503;

/** Fetch something of the server: its response, or an `ApiError`, also where it does not answer. */
export async function fetchChecked(address: string, options: RequestInit = {}): Promise<Response> {
  const response = await fetch(address, options).catch((raised: Error) => {
    if (raised.name === 'AbortError') throw raised;
    throw new ApiError(AWAY, { expected: t('common.answer'), received: t('common.noAnswer'), hint: t('common.runs') });
  });
  return checked(response);
}

/** The response, if the server did what it was asked for; what it says otherwise is thrown as an `ApiError`. */
async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new ApiError(response.status, readError(response, await response.text()));
}

/** Ask the server. */
export const get = <Path extends PathsOf<'get'>>(path: Path, ...[given]: Arguments<At<Path, 'get'>>) =>
  request('get', path, given) as Promise<Answer<At<Path, 'get'>>>;

/** Have the server do something. */
export const post = <Path extends PathsOf<'post'>>(path: Path, ...[given]: Arguments<At<Path, 'post'>>) =>
  request('post', path, given) as Promise<Answer<At<Path, 'post'>>>;

/** Have the server remove something. */
export const del = <Path extends PathsOf<'delete'>>(path: Path, ...[given]: Arguments<At<Path, 'delete'>>) =>
  request('delete', path, given) as Promise<Answer<At<Path, 'delete'>>>;

/** Hand a file to the server, which decodes it in its worker and answers with an id. */
export async function upload(file: File): Promise<Schemas['Uploaded']> {
  const headers = { 'X-Filename': encodeURIComponent(file.name), 'Content-Type': 'application/octet-stream' };
  const response = await fetchChecked(addressOf('/uploads'), { method: 'PUT', headers, body: file });
  return (await response.json()) as Schemas['Uploaded'];
}

/** Where the sound is whose picture is at an address. */
export const soundOf = (url: string): string => url.replace(/\.png$/, '.wav');

/** The name of a network as a part of a path: `torchvision/alexnet` -> `torchvision~alexnet`. */
export const asPart = (name: string): string => name.replaceAll('/', '~');

/** The same, as a part of an address. */
export const inPath = (name: string): string => encodeURIComponent(asPart(name));

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
