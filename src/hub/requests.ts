// How is the hub asked? With its token kept from other hosts, with patience where it is busy, and answers in words.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Interrupted, messageOf, UserError } from '../errors.js';
import type { DownloadListener } from './listener.js';
import type { HubSettings } from './settings.js';

/** The hub said no. */
export class HubRefusal extends Error {
  override readonly name = 'HubRefusal';
  constructor(
    readonly status: number,
    /** Such as RepoNotFound or GatedRepo; empty where the hub gives none. */
    readonly code: string,
    /** What it said. */
    readonly said: string,
  ) {
    super(`${status} ${code} ${said}`);
  }
}

/** The hub cannot be reached, or answers nothing of use: what is cached may do. */
export class HubUnreachable extends Error {
  override readonly name = 'HubUnreachable';
}

export interface Requests {
  /**
   * An answer of status 2xx, whose body may break.
   * @throws HubRefusal, HubUnreachable, UserError, Interrupted
   */
  open(url: string, headers: Readonly<Record<string, string>>): Promise<OpenAnswer>;
  /** For small answers: the whole body, as the client of the hub wants it. */
  readonly fetch: typeof fetch;
}

export interface OpenAnswer {
  readonly response: Response;
  /** The body as it comes; it breaks where nothing comes for too long. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** To be called when no more of it is read. */
  readonly done: () => void;
}

const mostHops = 10;
const mostTries = 4;
const mostPauseMs = 300_000;
const mostAnswerBytes = 32 * 2 ** 20;
const busy = new Set([408, 429, 500, 502, 503, 504]);

export function requests(settings: HubSettings, listener: DownloadListener): Requests {
  const open: Requests['open'] = async (url, headers) => {
    for (let tries = 1; ; tries++) {
      const outcome = await attempt(url, headers, settings, listener);
      if ('response' in outcome) return outcome;
      if (tries === mostTries) throw new HubUnreachable(outcome.problem);
      const pause = outcome.pauseMs ?? 500 * 2 ** (tries - 1);
      if (pause > mostPauseMs)
        throw new HubUnreachable(`${outcome.problem} and asks to wait ${Math.ceil(pause / 1000)} s`);
      if (pause >= 3000) listener.say(`${outcome.problem}; trying again in ${Math.ceil(pause / 1000)} s`);
      await pauseFor(pause, listener.signal);
    }
  };
  return {
    open,
    async fetch(input, init) {
      const url = input instanceof Request ? input.url : String(input);
      const opened = await open(url, Object.fromEntries(new Headers(init?.headers)));
      try {
        return await whole(opened);
      } catch (error) {
        if (error instanceof UserError) throw error;
        if (listener.signal.aborted) throw stopped();
        throw new HubUnreachable(`the answer of ${settings.endpoint} broke off (${causeOf(error)})`);
      } finally {
        opened.done();
      }
    },
  };
}

/** Waits, unless the user stops it. @throws Interrupted */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw stopped();
  });
}

export function stopped(): Interrupted {
  return new Interrupted('stopped; a download goes on where it was when it is asked for again');
}

/** What the hub or a server behind it said, fit for a terminal. */
function plainWords(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, 300);
}

/** Why a request failed; the reason lies below the words of fetch. */
export function causeOf(error: unknown): string {
  const { message, cause } = failureSchema.safeParse(error).data ?? { message: messageOf(error) };
  return cause?.message || cause?.code || message;
}

const failureSchema = z.object({
  message: z.string(),
  cause: z.object({ message: z.string(), code: z.string().optional() }).optional().catch(undefined),
});

/** What may be tried again. */
interface Failed {
  readonly problem: string;
  /** How long the hub wants to be left alone. */
  readonly pauseMs?: number | undefined;
}

async function attempt(
  url: string,
  headers: Readonly<Record<string, string>>,
  settings: HubSettings,
  { signal }: DownloadListener,
): Promise<OpenAnswer | Failed> {
  if (signal.aborted) throw stopped();
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), settings.patienceMs);
  const close = (): void => clearTimeout(timer);
  const host = new URL(url).host;
  try {
    const response = await follow(url, headers, settings, AbortSignal.any([signal, silence.signal]));
    if (response.ok) return { response, pieces: piecesOf(response, () => timer.refresh()), done: close };
    const said = await wordsOf(response);
    close();
    if (!busy.has(response.status))
      throw new HubRefusal(response.status, plainWords(response.headers.get('x-error-code') ?? ''), said);
    return {
      problem: `${host} answers ${response.status}${said === '' ? '' : ` (${said})`}`,
      pauseMs: retryAfter(response.headers.get('retry-after')),
    };
  } catch (error) {
    close();
    if (error instanceof UserError || error instanceof HubRefusal) throw error;
    if (signal.aborted) throw stopped();
    const why = silence.signal.aborted ? `nothing came for ${settings.patienceMs / 1000} s` : causeOf(error);
    return { problem: `${host} cannot be reached (${why})` };
  }
}

/** Follows redirects; the token goes to the hub itself alone, never to a host that it names. */
async function follow(
  url: string,
  headers: Readonly<Record<string, string>>,
  { endpoint, token }: HubSettings,
  signal: AbortSignal,
): Promise<Response> {
  const hub = new URL(endpoint).origin;
  let at = new URL(url);
  for (let hops = 0; hops <= mostHops; hops++) {
    const sent = new Headers(headers);
    sent.set('user-agent', 'exithead');
    if (token && at.origin === hub) sent.set('authorization', `Bearer ${token.value}`);
    else sent.delete('authorization');
    const response = await fetch(at, { headers: sent, redirect: 'manual', signal });
    const location = response.headers.get('location');
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    await response.body?.cancel();
    at = nextHop(at, location);
  }
  throw new UserError(
    `${url} leads from one address to another, more than ${mostHops} times. Check HF_ENDPOINT (${endpoint}), or try again later.`,
  );
}

function nextHop(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (to && (to.protocol === 'https:' || to.protocol === from.protocol)) return to;
  throw new UserError(
    `${from.host} leads to ${JSON.stringify(plainWords(location))}, which is no secure address, so it is not followed. ` +
      'Check HF_ENDPOINT and your proxy.',
  );
}

/** In milliseconds from now: the header holds seconds or a date. */
function retryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return 1000 * Number(text);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

async function wordsOf(response: Response): Promise<string> {
  const header = response.headers.get('x-error-message');
  if (header !== null) {
    await response.body?.cancel();
    return plainWords(header);
  }
  const text = new TextDecoder().decode(
    await limited(piecesOf(response), 65536).catch(() => new Uint8Array()),
  );
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown };
    return typeof error === 'string' ? plainWords(error) : '';
  } catch {
    return '';
  }
}

async function whole({ response, pieces }: OpenAnswer): Promise<Response> {
  const body = await limited(pieces, mostAnswerBytes);
  return new Response(body, { status: response.status, headers: response.headers });
}

async function* piecesOf({ body }: Response, onPiece?: () => void): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  for await (const piece of body as ReadableStream<Uint8Array>) {
    onPiece?.();
    yield piece;
  }
}

async function limited(pieces: AsyncIterable<Uint8Array>, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const all: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.byteLength;
    if (bytes > most)
      throw new UserError(
        `the hub answers with more than ${most} bytes where a list is expected. Check HF_ENDPOINT and your proxy.`,
      );
    all.push(piece);
  }
  return new Uint8Array(Buffer.concat(all));
}
