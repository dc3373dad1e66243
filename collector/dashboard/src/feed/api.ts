// The page's REST calls, relative to the page. A refused call is an error with words for the reader, and
// with the field that is wrong where the collector names one.

/** RFC 9457, as the collector answers it. */
interface Problem {
  title?: string;
  detail?: string;
  field?: string;
  expected?: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly field: string | null = null,
    readonly expected: string | null = null,
    /** The whole answer, where it was JSON. */
    readonly body: unknown = null,
    /** How long the collector wants to be left alone. */
    readonly retry_after_s: number | null = null,
  ) {
    super(message);
  }
}

/** Why something failed, in words; a stranger's, so they are shown through `shown` or parts/Refusal.svelte. */
export const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Call {
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/** Says to the collector that a request is this page's own: no other site can send this header. */
const OWN = { 'x-herdbook': 'page' };

let refusedFor: (status: number) => void = () => {};

/** Is told of each answer that nobody, or not this reader, may do that: 401 and 403. */
export function onRefusal(act: (status: number) => void): void {
  refusedFor = act;
}

/** `path` is below `api/v1/`, its segments already encoded (`at`). An empty answer is `null`. */
export async function call<T>(method: Method, path: string, options: Call = {}): Promise<T> {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  if (method !== 'GET') Object.assign(headers, OWN);
  const request: RequestInit = { method, headers, credentials: 'same-origin' };
  if (options.body !== undefined) {
    headers['content-type'] = 'application/json';
    request.body = JSON.stringify(options.body);
  }
  const { ok, status, text, retry_after_s } = await answer(url, request, options.signal);
  if (status === 401 || status === 403) refusedFor(status);
  if (!ok) throw refusal(status, text, retry_after_s);
  return (text === '' ? null : JSON.parse(text)) as T;
}

export const get = <T>(path: string, options: Call = {}): Promise<T> => call('GET', path, options);

/** A path of encoded segments: `at('hosts', id)`. */
export const at = (...segments: string[]): string => segments.map(encodeURIComponent).join('/');

const PAGE_LIMIT = 1000;
const DEADLINE_MS = 30_000;

/** All entries of a list, page by page, `most` at the most; and whether there would be more. */
export async function getAll<T>(
  path: string,
  key: string,
  options: Call & { most: number },
): Promise<{ entries: T[]; more: boolean }> {
  const entries: T[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(PAGE_LIMIT, options.most - entries.length);
    const query = { ...options.query, limit, cursor };
    const page = await get<Record<string, unknown>>(path, { ...options, query });
    entries.push(...((page[key] as T[] | undefined) ?? []));
    cursor = (page['next_cursor'] as string | null) ?? undefined;
  } while (cursor !== undefined && entries.length < options.most);
  return { entries, more: cursor !== undefined };
}

/** With its whole body, or an error in time: whoever asks waits for no other. */
async function answer(url: URL, request: RequestInit, given?: AbortSignal) {
  const own = new AbortController();
  const giveUp = () => own.abort(given?.reason);
  if (given?.aborted) giveUp();
  given?.addEventListener('abort', giveUp);
  const deadline = setTimeout(() => own.abort(), DEADLINE_MS);
  try {
    const response = await fetch(url, { ...request, signal: own.signal });
    const { ok, status } = response;
    const retry_after_s = secondsOf(response.headers.get('retry-after'));
    return { ok, status, text: await response.text(), retry_after_s };
  } catch (cause) {
    if (given?.aborted) throw cause;
    const late = `The collector has not answered for ${DEADLINE_MS / 1000} seconds.`;
    throw new ApiError(0, own.signal.aborted ? late : 'The collector does not answer.');
  } finally {
    clearTimeout(deadline);
    given?.removeEventListener('abort', giveUp);
  }
}

function secondsOf(retryAfter: string | null): number | null {
  return retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : null;
}

/** For answers without words, such as those of a proxy. */
const WORDS: Record<number, string> = {
  401: 'You are not signed in, or no longer.',
  403: 'Your role does not allow this.',
  429: 'Too many requests; wait a little.',
};

function refusal(status: number, text: string, retry_after_s: number | null): ApiError {
  const fallback = WORDS[status] ?? `The collector answered ${status}.`;
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    return new ApiError(status, fallback, null, null, null, retry_after_s);
  }
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Problem;
  const words = problem.detail ?? problem.title ?? fallback;
  const [field, expected] = [problem.field ?? null, problem.expected ?? null];
  return new ApiError(status, words, field, expected, body, retry_after_s);
}
