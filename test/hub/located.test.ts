import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { hearingDownloads, type DownloadListener } from '../../src/hub/listener.js';
import { located, type Wanted } from '../../src/hub/located.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { commit, gitHash, loopback, noise, refuse, sha256 } from './loopback.js';

const hub = loopback();

const wanted: Wanted = {
  part: 'transformer',
  weights: ['model.safetensors', 'model.safetensors.index.json', 'model.bin'],
  beside: ['config.json'],
  partsOf: (path) =>
    Promise.resolve(
      path.endsWith('.index.json')
        ? (JSON.parse(readFileSync(path, 'utf8')) as { files: string[] }).files
        : [],
    ),
};

const weights = noise(300_000);

/** A folder of diffusers, as many publish it. */
function publish(): void {
  hub().files.set('model_index.json', Buffer.from('{}'));
  hub().files.set('README.md', Buffer.from('# Model'));
  hub().files.set('transformer/config.json', Buffer.from('{"depth":2}'));
  hub().files.set('transformer/model.safetensors', weights);
  hub().files.set('transformer/model.bin', noise(500));
}

const inSnapshot = (path: string): string =>
  join(hub().cache, 'models--owner--model', 'snapshots', commit, path);
const blob = (name: string): string => join(hub().cache, 'models--owner--model', 'blobs', name);
const asked = (server: 'hub' | 'content'): string[] =>
  hub()
    .asked.filter((one) => one.server === server)
    .map(({ url }) => url);

/** What a listener hears of it. */
function heard(): DownloadListener & {
  lines: string[];
  warnings: string[];
  shown: string[];
  abort: () => void;
} {
  const stop = new AbortController();
  const [lines, warnings, shown]: string[][] = [[], [], []];
  return {
    ...{ lines: lines!, warnings: warnings!, shown: shown!, signal: stop.signal, abort: () => stop.abort() },
    progress: (label) => ({
      update: (done, total) => void shown!.push(`${label} ${done}/${total}`),
      end: () => void shown!.push('end'),
    }),
    say: (line) => void lines!.push(line),
    warn: (line) => void warnings!.push(line),
  };
}

async function refusal(source: string): Promise<string> {
  const error = await located(source, wanted).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UserError)) throw new Error(`expected a refusal, found ${String(error)}`);
  return error.message;
}

describe('a source on the hub', () => {
  it('fetches of a folder what is needed, into the layout that the Python client uses', async () => {
    publish();
    const { path, source } = await located('hf://owner/model/transformer', wanted);
    expect(path).toBe(inSnapshot('transformer'));
    expect(source).toBe(`hf://owner/model@${commit}/transformer`);
    expect(readdirSync(path).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readlinkSync(join(path, 'model.safetensors'))).toBe(`../../../blobs/${sha256(weights)}`);
    expect(readdirSync(dirname(blob(''))).sort()).toEqual(['blobs', 'refs', 'snapshots']);
    expect(readdirSync(blob('')).sort()).toEqual(
      [sha256(weights), gitHash(Buffer.from('{"depth":2}'))].sort(),
    );
    expect(readFileSync(join(blob(''), '..', 'refs', 'main'), 'utf8')).toBe(commit);
    expect(asked('content')).toEqual(['/transformer%2Fmodel.safetensors?signed=1']);
  });

  it('fetches a file with the config.json beside it, and nothing twice', async () => {
    publish();
    const { path } = await located('hf://owner/model@main/transformer/model.bin', wanted);
    expect(readdirSync(dirname(path)).sort()).toEqual(['config.json', 'model.bin']);
    hub().asked.length = 0;
    await located(`hf://owner/model@${commit}/transformer/model.bin`, wanted);
    expect(asked('content')).toEqual([]);
    expect(asked('hub')).toEqual([
      `/api/models/owner/model/tree/${commit}/transformer?recursive=false&expand=false`,
    ]);
  });

  it('finds what the Python client has fetched', async () => {
    publish();
    mkdirSync(blob(''), { recursive: true });
    mkdirSync(inSnapshot('transformer'), { recursive: true });
    writeFileSync(blob(sha256(weights)), weights);
    symlinkSync(`../../../blobs/${sha256(weights)}`, inSnapshot('transformer/model.safetensors'));
    await located('hf://owner/model/transformer', wanted);
    expect(asked('content')).toEqual([]);
  });

  it('knows the revision of a pull request', async () => {
    publish();
    const { source } = await located('hf://owner/model@refs/pr/1/transformer', wanted);
    expect(source).toBe(`hf://owner/model@${commit}/transformer`);
    expect(readFileSync(join(blob(''), '..', 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(commit);
  });

  it('fetches the shards that an index names, and says which one is missing', async () => {
    const index = (...files: string[]): Buffer => Buffer.from(JSON.stringify({ files }));
    hub().files.set('model.safetensors.index.json', index('one.safetensors', 'two.safetensors'));
    hub().files.set('one.safetensors', noise(1000));
    expect(await refusal('hf://owner/model')).toMatch(/has no file two\.safetensors, which its index names/);
    hub().files.set('two.safetensors', noise(2000));
    hub().files.set('other.safetensors', noise(3000));
    const { path } = await located('hf://owner/model', wanted);
    expect(readdirSync(path).sort()).toEqual([
      'model.safetensors.index.json',
      'one.safetensors',
      'two.safetensors',
    ]);
  });

  it('gives a path back as it is', async () => {
    expect(await located('models/here', wanted)).toEqual({ path: 'models/here', source: 'models/here' });
    expect(hub().asked).toEqual([]);
  });
});

describe('the token', () => {
  it('goes to the hub, and never to the host that it leads to', async () => {
    publish();
    process.env.HF_TOKEN = 'hf_secret';
    await located('hf://owner/model/transformer', wanted);
    const sent = (server: string) =>
      new Set(
        hub()
          .asked.filter((one) => one.server === server)
          .map((one) => one.authorization),
      );
    expect(sent('hub')).toEqual(new Set(['Bearer hf_secret']));
    expect(sent('content')).toEqual(new Set([undefined]));
  });

  it('is in no message', async () => {
    process.env.HF_TOKEN = 'hf_secret';
    hub().answer = (_, response) => (refuse(response, 401, '', 'Invalid credentials'), true);
    const message = await refusal('hf://owner/model');
    expect(message).toMatch(/does not accept the token in HF_TOKEN.*Invalid credentials/);
    expect(message).not.toContain('hf_secret');
  });
});

describe('a download', () => {
  it('goes on in the middle when the connection breaks', async () => {
    publish();
    hub().breaks.push(100_000, 50_000);
    await located('hf://owner/model/transformer', wanted);
    expect(readFileSync(inSnapshot('transformer/model.safetensors')).equals(weights)).toBe(true);
    const ranges = hub()
      .asked.filter((one) => one.server === 'content')
      .map((one) => one.range);
    expect(ranges).toEqual([undefined, 'bytes=100000-', 'bytes=150000-']);
  });

  it('goes on where an earlier one was stopped', async () => {
    publish();
    const listener = heard();
    hub().answer = (_, response, server) => {
      if (server === 'hub') return false;
      response.writeHead(200).write(weights.subarray(0, 120_000), () => setTimeout(listener.abort, 50));
      return true;
    };
    await expect(
      hearingDownloads(listener, () => located('hf://owner/model/transformer', wanted)),
    ).rejects.toThrow(Interrupted);
    expect(statSync(blob(`${sha256(weights)}.exithead.incomplete`)).size).toBe(120_000);
    expect(existsSync(inSnapshot('transformer/model.safetensors'))).toBe(false);
    hub().answer = () => false;
    await located('hf://owner/model/transformer', wanted);
    expect(hub().asked.at(-1)?.range).toBe('bytes=120000-');
    expect(readFileSync(inSnapshot('transformer/model.safetensors')).equals(weights)).toBe(true);
  });

  it('starts again where the server cannot send parts', async () => {
    publish();
    hub().ranges = false;
    hub().breaks.push(100_000);
    await located('hf://owner/model/transformer', wanted);
    expect(readFileSync(inSnapshot('transformer/model.safetensors')).equals(weights)).toBe(true);
  });

  it('gives up when nothing comes any more, and keeps what came', async () => {
    publish();
    hub().breaks.push(1000, 0, 0, 0, 0);
    expect(await refusal('hf://owner/model/transformer')).toMatch(
      /could not be fetched: .*broke off 5 times.*what came of it is kept.*goes on where it was/,
    );
    expect(statSync(blob(`${sha256(weights)}.exithead.incomplete`)).size).toBe(1000);
  });

  it('removes a file whose checksum is wrong, and says so', async () => {
    publish();
    hub().tamper = (bytes) => Buffer.from(bytes.map((byte, i) => (i === 777 ? byte ^ 1 : byte)));
    expect(await refusal('hf://owner/model/transformer')).toMatch(
      new RegExp(`its checksum is not ${sha256(weights)}\\. It was removed\\.`),
    );
    hub().tamper = (bytes) => Buffer.concat([bytes, bytes]);
    expect(await refusal('hf://owner/model/transformer')).toMatch(/It was removed/);
    expect(readdirSync(blob(''))).toEqual([gitHash(Buffer.from('{"depth":2}'))]);
    hub().tamper = undefined;
    await located('hf://owner/model/transformer', wanted);
  });

  it('checks small files by the hash of git', async () => {
    publish();
    hub().answer = (request, response) => {
      if (!request.url?.includes('/resolve/') || !request.url.endsWith('config.json')) return false;
      response.end('{"depth":3}');
      return true;
    };
    expect(await refusal('hf://owner/model/transformer')).toMatch(
      /config\.json is not the file that the hub lists/,
    );
  });

  it('notices that nothing comes', async () => {
    publish();
    process.env.HF_HUB_DOWNLOAD_TIMEOUT = '0.2';
    let stalls = 1;
    hub().answer = (_, response, server) => {
      if (server === 'hub' || stalls-- <= 0) return false;
      response.writeHead(200).write(weights.subarray(0, 5000));
      return true;
    };
    await located('hf://owner/model/transformer', wanted);
    expect(hub().asked.at(-1)?.range).toBe('bytes=5000-');
  });

  it('tells how far it is, once for each file that is worth it', async () => {
    hub().files.set('model.safetensors', noise(5_000_000));
    hub().files.set('config.json', Buffer.from('{}'));
    const listener = heard();
    await hearingDownloads(listener, () => located('hf://owner/model', wanted));
    expect(listener.lines).toEqual([`fetching 6 MB of hf://owner/model@${commit} into ${hub().cache}`]);
    expect(listener.shown[0]).toBe('fetch model.safetensors, MB 0/5');
    expect(listener.shown.slice(-2)).toEqual(['fetch model.safetensors, MB 5/5', 'end']);
  });
});

describe('a hub that is busy or gone', () => {
  it('is left alone as long as it wants', async () => {
    publish();
    const times: number[] = [];
    hub().answer = (request, response) => {
      if (!request.url?.includes('/revision/')) return false;
      times.push(performance.now());
      if (times.length > 1) return false;
      response.setHeader('retry-after', '1');
      refuse(response, 429, '', 'Too many requests');
      return true;
    };
    await located('hf://owner/model/transformer', wanted);
    expect(times[1]! - times[0]!).toBeGreaterThan(950);
  });

  it('is not waited for longer than makes sense', async () => {
    hub().answer = (_, response) => {
      response.setHeader('retry-after', new Date(Date.now() + 3_600_000).toUTCString());
      refuse(response, 429, '', 'Too many requests');
      return true;
    };
    expect(await refusal('hf://owner/model')).toMatch(
      /answers 429 \(Too many requests\) and asks to wait 3[56]\d\d s, and the cache .* holds no hf:/,
    );
  });

  it('is replaced by the cache, with a warning, where that holds what is asked for', async () => {
    publish();
    const first = await located('hf://owner/model/transformer', wanted);
    await hub().stop();
    const listener = heard();
    const again = await hearingDownloads(listener, () => located('hf://owner/model/transformer', wanted));
    expect(again).toEqual(first);
    expect(listener.warnings).toEqual([
      expect.stringMatching(
        /^127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED.*\), so hf:\/\/owner\/model@c0ffee.* is taken from the cache$/,
      ),
    ]);
    expect(await refusal('hf://owner/other')).toMatch(
      /cannot be reached .*, and the cache .* holds no hf:\/\/owner\/other@main/,
    );
  });

  it('is not asked when HF_HUB_OFFLINE is set', async () => {
    publish();
    process.env.HF_HUB_OFFLINE = '1';
    expect(await refusal('hf://owner/model/transformer')).toMatch(
      /^HF_HUB_OFFLINE is set, and the cache \(.*\) holds no hf:\/\/owner\/model@main\/transformer\. Fetch it once/,
    );
    delete process.env.HF_HUB_OFFLINE;
    const first = await located('hf://owner/model/transformer', wanted);
    process.env.HF_HUB_OFFLINE = '1';
    hub().asked.length = 0;
    expect(await located('hf://owner/model/transformer', wanted)).toEqual(first);
    expect(await located('hf://owner/model/transformer/model.safetensors', wanted)).toMatchObject({
      path: inSnapshot('transformer/model.safetensors'),
    });
    expect(await refusal('hf://owner/model/vae')).toMatch(/holds no hf:\/\/owner\/model@c0ffee.*\/vae/);
    expect(hub().asked).toEqual([]);
  });
});

describe('a refusal', () => {
  const answering = (status: number, code: string, message: string): void => {
    hub().answer = (_, response) => (refuse(response, status, code, message), true);
  };

  it('says that there is no such repository', async () => {
    expect(await refusal('hf://owner/modell')).toMatch(
      /^there is no repository owner\/modell at http.*No token was sent: set HF_TOKEN, or log in/,
    );
    answering(401, 'RepoNotFound', 'Repository not found');
    expect(await refusal('hf://owner/model')).toMatch(/^there is no repository owner\/model/);
  });

  it('says how to get at a gated one', async () => {
    answering(401, 'GatedRepo', 'Access to model owner/model is restricted.');
    expect(await refusal('hf://owner/model')).toMatch(
      /is gated: .*accept its terms at .*\/owner\/model\. No token was sent/,
    );
    process.env.HF_TOKEN = 'hf_secret';
    answering(403, 'GatedRepo', 'Access to model owner/model is restricted.');
    expect(await refusal('hf://owner/model')).toMatch(
      /The token in HF_TOKEN was sent; it must belong to an account that did/,
    );
    answering(403, '', 'Forbidden\u001b[31m by policy');
    expect(await refusal('hf://owner/model')).toMatch(
      /is not given to you \(the hub says: Forbidden \[31m by policy\)/,
    );
  });

  it('says that there is no such revision or file, and names the nearest', async () => {
    publish();
    expect(await refusal('hf://owner/model@mian')).toMatch(
      /has no revision mian\. Give a branch, a tag or a commit/,
    );
    expect(await refusal('hf://owner/model/transformer/model.safetensor')).toMatch(
      /did you mean hf:\/\/owner\/model@c0ffee\d+\/transformer\/model\.safetensors\?\ntransformer holds config\.json, /,
    );
    expect(await refusal('hf://owner/model/transfomer/model.bin')).toMatch(
      /transfomer is not there; did you mean hf:\/\/owner\/model@c0ffee\d+\/transformer\?\nowner\/model holds transformer, /,
    );
  });

  it('says which folder of a pipeline is meant, and which weights there are', async () => {
    publish();
    expect(await refusal('hf://owner/model')).toMatch(
      /is a pipeline of diffusers: add the folder that is meant, hf:\/\/owner\/model@c0ffee\d+\/transformer\.$/,
    );
    hub().files.clear();
    hub().files.set('DiT-XL-2-256x256.pt', noise(200));
    expect(await refusal('hf://owner/model')).toMatch(
      /under names of their own: .*Say which, such as hf:.*\/DiT-XL-2-256x256\.pt\./,
    );
    expect(asked('content')).toEqual([]);
  });

  it('comes for redirects that never end, and for those to unsafe places', async () => {
    hub().answer = (request, response) => {
      response.writeHead(302, { location: request.url }).end();
      return true;
    };
    expect(await refusal('hf://owner/model')).toMatch(
      /leads from one address to another, more than 10 times/,
    );
    expect(hub().asked).toHaveLength(11);
    hub().answer = (_, response) => {
      response.writeHead(302, { location: 'file:///etc/passwd' }).end();
      return true;
    };
    expect(await refusal('hf://owner/model')).toMatch(
      /leads to "file:\/\/\/etc\/passwd", which is no secure address/,
    );
  });

  it('comes for answers that are not those of the hub', async () => {
    hub().answer = (_, response) => (response.end('<html>Log in to the network</html>'), true);
    expect(await refusal('hf://owner/model')).toMatch(
      /does not answer as the hub does: what it answers has another form/,
    );
    hub().answer = (_, response) => (response.end('{"sha":"../../../../etc"}'), true);
    expect(await refusal('hf://owner/model')).toMatch(/it names no commit/);
    hub().answer = (_, response) => (response.end('[]'), true);
    expect(await refusal('hf://owner/model')).toMatch(/it names no commit/);
  });

  it('comes for lists that never end', async () => {
    publish();
    hub().answer = (request, response) => {
      if (request.url?.includes('/revision/')) return false;
      response.setHeader('link', `<${hub().endpoint}/api/models/owner/model/tree/more>; rel="next"`);
      response.end('[]');
      return true;
    };
    expect(await refusal('hf://owner/model')).toMatch(/a list of more than 50 pages is not read/);
    hub().answer = (request, response) => {
      if (request.url?.includes('/revision/')) return false;
      response.end('{"of": "another form"}');
      return true;
    };
    expect(await refusal('hf://owner/model')).toMatch(/has another form/);
  });

  it('leaves out names that lead elsewhere', async () => {
    const file = { type: 'file', size: 10, oid: '0'.repeat(40) };
    for (const path of ['../model.safetensors', '/model.safetensors', 'a\\..\\model.safetensors', '..'])
      hub().listed.push({ ...file, path });
    hub().listed.push(
      { ...file, path: 'model.safetensors', oid: '../../x' },
      { type: 'file' },
      { ...file, path: 5 },
    );
    expect(await refusal('hf://owner/model')).toMatch(
      /holds none of model\.safetensors, .* It holds nothing/,
    );
    expect(existsSync(hub().cache)).toBe(false);
  });

  // /dev/full is a disk that is always full; Linux alone has it.
  const whereItIs = existsSync('/dev/full') ? it : it.skip;
  whereItIs('comes where the disk is full on the way (needs /dev/full)', async () => {
    publish();
    mkdirSync(blob(''), { recursive: true });
    symlinkSync('/dev/full', blob(`${sha256(weights)}.exithead.incomplete`));
    expect(await refusal('hf://owner/model/transformer')).toMatch(
      /^cannot write .*: no space is left; free some/,
    );
    expect(asked('content')).toHaveLength(1);
  });

  it('comes before the download where there is no room', async () => {
    publish();
    hub().listed.push({
      type: 'file', path: 'model.safetensors', size: 100, oid: '0'.repeat(40),
      lfs: { oid: '1'.repeat(64), size: Number.MAX_SAFE_INTEGER },
    }); // prettier-ignore
    expect(await refusal('hf://owner/model')).toMatch(
      /of free space, and 9,007,199,255 MB are to be fetched/,
    );
    expect(asked('content')).toEqual([]);
  });
});

it('leaves the other server unharmed by a token in the address of the next page', async () => {
  const stranger = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end('[]');
  }).listen(0, '127.0.0.1');
  const seen: (string | undefined)[] = [];
  await once(stranger, 'listening');
  process.env.HF_TOKEN = 'hf_secret';
  publish();
  hub().answer = (request, response) => {
    if (request.url?.includes('/tree/'))
      response.setHeader(
        'link',
        `<http://127.0.0.1:${(stranger.address() as AddressInfo).port}/next>; rel="next"`,
      );
    return false;
  };
  await located('hf://owner/model/transformer', wanted);
  expect(seen.length).toBeGreaterThan(0);
  expect(new Set(seen)).toEqual(new Set([undefined]));
  stranger.close();
  expect(realpathSync(inSnapshot('transformer/model.safetensors'))).toBe(realpathSync(blob(sha256(weights))));
});
