// A hub of one's own on the loopback interface: its API, and a second server in the place of its content network.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';

export const commit = 'c0ffee0000000000000000000000000000000001';

export interface Asked {
  readonly server: 'hub' | 'content';
  readonly method: string;
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export interface Loopback {
  readonly endpoint: string;
  /** The cache that HF_HOME names. */
  readonly cache: string;
  /** A folder that is removed after the test. */
  readonly folder: string;
  /** All that came in, in order. */
  readonly asked: Asked[];
  /** Files of owner/model in its only commit; those of at least 100 bytes lie in the content network. */
  readonly files: Map<string, Buffer>;
  /** Names that the hub lists and never serves, as it wrote them. */
  readonly listed: object[];
  /** Answers in the place of a server. @returns whether it did */
  answer: (request: IncomingMessage, response: ServerResponse, server: Asked['server']) => boolean;
  /** What the content network sends; undefined as it is. */
  tamper: ((bytes: Buffer, path: string) => Buffer) | undefined;
  /** After how many bytes each of the next answers of the content network breaks off. */
  readonly breaks: number[];
  /** Whether the content network can send parts. */
  ranges: boolean;
  stop(): Promise<void>;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const gitHash = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex');

/** Bytes that differ everywhere. */
export function noise(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 2654435761) >>> 13));
}

/** Before each test a fresh hub and an empty cache, with the environment that leads there; gone after it. */
export function loopback(): () => Loopback {
  let hub: Loopback | undefined;
  const kept = { ...process.env };
  beforeEach(async () => {
    hub = await start();
    for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING)/.test(name)) delete process.env[name];
    Object.assign(process.env, { HF_HOME: join(hub.folder, 'home'), HF_ENDPOINT: hub.endpoint });
  });
  afterEach(async () => {
    for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING)/.test(name)) delete process.env[name];
    Object.assign(process.env, kept);
    await hub?.stop();
    rmSync(hub?.folder ?? '', { recursive: true, force: true });
  });
  return () => {
    if (!hub) throw new Error('a hub is there within tests alone');
    return hub;
  };
}

async function start(): Promise<Loopback> {
  const folder = mkdtempSync(join(tmpdir(), 'exithead-'));
  const [api, content] = [createServer(), createServer()];
  const [endpoint, contentAt] = [await listening(api), await listening(content)];
  const hub: Loopback = {
    ...{ endpoint, folder, cache: join(folder, 'home', 'hub') },
    ...{ asked: [], files: new Map(), listed: [], breaks: [], ranges: true, tamper: undefined },
    answer: () => false,
    async stop() {
      for (const server of [api, content]) {
        server.closeAllConnections();
        if (server.listening) await new Promise((done) => server.close(done));
      }
    },
  };
  const serve =
    (server: Asked['server'], work: (url: URL, request: IncomingMessage, response: ServerResponse) => void) =>
    (request: IncomingMessage, response: ServerResponse): void => {
      const { method = '', url = '', headers } = request;
      const { range, authorization } = headers;
      hub.asked.push({ server, method, url, range, authorization });
      if (!hub.answer(request, response, server)) work(new URL(url, endpoint), request, response);
    };
  api.on(
    'request',
    serve('hub', (url, _, response) => answerApi(hub, contentAt, url, response)),
  );
  content.on(
    'request',
    serve('content', (url, request, response) => sendContent(hub, url, request, response)),
  );
  return hub;
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answerApi(hub: Loopback, contentAt: string, url: URL, response: ServerResponse): void {
  const path = decodeURIComponent(url.pathname);
  const [, api, rest = ''] = /^\/(api\/models\/|)owner\/model\/(.*)$/.exec(path) ?? [];
  if (api === undefined) return refuse(response, 404, 'RepoNotFound', 'Repository not found');
  const [, what = '', revision = '', inner = ''] =
    /^(revision|tree|resolve)\/(refs\/pr\/1|[^/]+)\/?(.*)$/.exec(rest) ?? [];
  if (!['main', 'refs/pr/1', commit].includes(revision))
    return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
  if (what === 'revision') return json(response, { _id: '1', id: 'owner/model', sha: commit });
  if (what === 'tree') {
    const entries = entriesIn(hub, inner);
    return entries.length > 0
      ? json(response, entries)
      : refuse(response, 404, 'EntryNotFound', `${inner} does not exist`);
  }
  const bytes = hub.files.get(inner);
  if (!bytes) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
  response.setHeader('x-repo-commit', commit);
  if (bytes.length < 100) {
    response.writeHead(200, { etag: `"${gitHash(bytes)}"`, 'content-length': bytes.length });
    return void response.end(bytes);
  }
  const linked = { 'x-linked-etag': `"${sha256(bytes)}"`, 'x-linked-size': bytes.length };
  response
    .writeHead(302, { ...linked, location: `${contentAt}/${encodeURIComponent(inner)}?signed=1` })
    .end();
}

function entriesIn(hub: Loopback, folder: string): object[] {
  const prefix = folder === '' ? '' : `${folder}/`;
  const inside = [...hub.files].filter(([path]) => path.startsWith(prefix));
  const folders = new Set(inside.flatMap(([path]) => /^[^/]+(?=\/)/.exec(path.slice(prefix.length)) ?? []));
  const oid = '0'.repeat(40);
  return [
    ...[...folders].map((name) => ({ type: 'directory', oid, size: 0, path: `${prefix}${name}` })),
    ...inside
      .filter(([path]) => !path.slice(prefix.length).includes('/'))
      .map(([path, bytes]) => {
        const size = bytes.length;
        if (size < 100) return { type: 'file', path, size, oid: gitHash(bytes) };
        return { type: 'file', path, size, oid, lfs: { oid: sha256(bytes), size, pointerSize: 134 } };
      }),
    ...(folder === '' ? hub.listed : []),
  ];
}

function sendContent(hub: Loopback, url: URL, request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(url.pathname.slice(1));
  const whole = hub.files.get(path) ?? Buffer.alloc(0);
  const bytes = hub.tamper?.(whole, path) ?? whole;
  const from = hub.ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
  const part = bytes.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': part.length,
    ...(from > 0 && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
  });
  const end = hub.breaks.shift();
  if (end === undefined) return void response.end(part);
  response.write(part.subarray(0, end), () => setTimeout(() => response.destroy(), 20));
}

export function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(code && { 'x-error-code': code }) });
  response.end(JSON.stringify({ error: message }));
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
