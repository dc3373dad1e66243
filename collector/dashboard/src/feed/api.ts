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

/** `path` is below `api/v1/`, its segments already encoded (`at`). An empty answer is `null`. */
export async function call<T>(method: Method, path: string, options: Call = {}): Promise<T> {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  const request: RequestInit = { method, headers };
  if (options.body !== undefined) {
    headers['content-type'] = 'application/json';
    request.body = JSON.stringify(options.body);
  }
  const { ok, status, text } = await answer(url, request, options.signal);
  if (!ok) throw refusal(status, text);
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
    return { ok: response.ok, status: response.status, text: await response.text() };
  } catch (cause) {
    if (given?.aborted) throw cause;
    const late = `The collector has not answered for ${DEADLINE_MS / 1000} seconds.`;
    throw new ApiError(0, own.signal.aborted ? late : 'The collector does not answer.');
  } finally {
    clearTimeout(deadline);
    given?.removeEventListener('abort', giveUp);
  }
}

function refusal(status: number, text: string): ApiError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return new ApiError(status, `The collector answered ${status}.`);
  }
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Problem;
  const words = problem.detail ?? problem.title ?? `The collector answered ${status}.`;
  return new ApiError(status, words, problem.field ?? null, problem.expected ?? null, body);
}
