// Reads the JSON of the analytics service.

const PATIENCE = 20_000;

/** Why a read failed, in words for the page. `retry` says whether trying again may help. */
export class ReadError extends Error {
  constructor(path, reason, retry) {
    super(`${path.split("?")[0]}: ${reason}`);
    this.reason = reason;
    this.retry = retry;
  }
}

/**
 * The JSON at the path, a list in the query being a parameter that repeats; throws ReadError, or the signal's reason once that is aborted. It is waited for so many
 * milliseconds.
 */
export async function read(path, query = {}, signal, patience = PATIENCE) {
  const search = new URLSearchParams(Object.entries(query).flatMap(([name, value]) =>
      [value ?? []].flat().map((one) => [name, one]),
    ),
  );
  const url = search.size ? `${path}?${search}` : path;
  const timeout = AbortSignal.timeout(patience);
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json" },
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (!response.ok) {
      const problem = await response.json().catch(() => ({}));
      const reason = problem.detail ?? problem.title ?? `the server answered ${response.status}`;
      throw new ReadError(url, reason, response.status >= 500 || response.status === 429);
    }
    const answer = await response.json();
    // whoever asked may have turned away meanwhile
    signal?.throwIfAborted();
    return answer;
  } catch (error) {
    if (error instanceof ReadError) throw error;
    if (signal?.aborted) throw signal.reason;
    throw new ReadError(
      url,
      timeout.aborted ? `no answer within ${patience / 1000} s` : "the server does not answer",
      true,
    );
  }
}
