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
  const request: RequestInit = { method, headers, signal: options.signal ?? null };
  if (options.body !== undefined) {
    headers['content-type'] = 'application/json';
    request.body = JSON.stringify(options.body);
  }
  const response = await answer(url, request);
  const text = await response.text();
  if (!response.ok) throw refusal(response.status, text);
  return (text === '' ? null : JSON.parse(text)) as T;
}

export const get = <T>(path: string, options: Call = {}): Promise<T> => call('GET', path, options);

/** A path of encoded segments: `at('hosts', id)`. */
export const at = (...segments: string[]): string => segments.map(encodeURIComponent).join('/');

const PAGE_LIMIT = 1000;

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

async function answer(url: URL, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (cause) {
    if (request.signal?.aborted) throw cause;
    throw new ApiError(0, 'The collector does not answer.');
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
