import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { isStored } from '../../src/engine/tensors.js';
import { fixturePath } from '../fixtures.js';
import { commit, loopback, noise } from '../hub/loopback.js';
import { tinyWeights } from '../tiny-dit.js';
import { exithead, refusalOf, told, workshop } from '../workshop.js';

const hub = loopback();
const { at, pretrain, heads } = workshop();

/** Puts the files of a folder into the repository owner/model. */
function publish(folder: string, under: string): void {
  for (const name of readdirSync(folder))
    if (/\.(json|safetensors)$/.test(name))
      hub().files.set(`${under}/${name}`, readFileSync(join(folder, name)));
}

/** Runs a command in a process of its own. */
async function inOwnProcess(...words: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...words], { env: process.env });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
  const code = await once(child, 'exit').then(([status]) => status as number | null);
  return { code, said };
}

describe('a backbone on the hub', () => {
  it('is trained on, exported and sampled with, pinned to its commit', async () => {
    const made = await told('pretrain', pretrain, '--set', 'train.steps=2', '--out', at('made'));
    publish(String(made.backbone), 'transformer');
    const { run } = await told(
      ...['train', heads, '--set', 'backbone.path=hf://owner/model/transformer'],
      ...['--set', 'train.steps=2', '--out', at('runs')],
    );
    const pinned = `hf://owner/model@${commit}/transformer`;
    const { backbone } = parse(readFileSync(join(String(run), 'config.yaml'), 'utf8')) as {
      backbone: { path: string };
    };
    expect(backbone.path).toBe(pinned);
    process.env.HF_HUB_OFFLINE = '1';
    for (const verb of ['profile', 'schedule']) await told(verb, String(run));
    await told('export', String(run), '--out', at('bundle'));
    const bundle = JSON.parse(readFileSync(at('bundle', 'bundle.json'), 'utf8')) as {
      backbone: { source: string };
    };
    expect(bundle.backbone.source).toBe(pinned);
    await told('sample', at('bundle'), '-n', '2', '--steps', '3', '--out', at('samples'));
    await told('sample', at('bundle'), '--backbone', 'hf://owner/model/transformer', '--dry-run');
    expect(hub().asked.filter(({ server }) => server === 'content')).toHaveLength(2);
  }, 180_000);

  it('is trained on further with --resume, by the same config', async () => {
    publish(readdirSync(at('made')).map((name) => at('made', name, 'backbone'))[0] ?? '', 'transformer');
    const words = [
      'train',
      heads,
      '--set',
      'backbone.path=hf://owner/model/transformer',
      '--set',
      'train.steps=3',
    ];
    const first = await told(...words, '--out', at('again'));
    expect((await told(...words, '--out', at('again'), '--resume')).run).toBe(first.run);
  }, 120_000);

  it('is told of when it is fetched, and fetched once', async () => {
    publish(fixturePath('dit'), 'dit');
    const { code, out } = await exithead(['inspect', 'hf://owner/model/dit']);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^fetching \\d MB of hf://owner/model@${commit}/dit into .*hub\n`));
    const again = await exithead(['inspect', 'hf://owner/model/dit']);
    expect(again.out).not.toContain('fetching');
  });

  it('of several files is read where they lie in the cache', async () => {
    const [folder, weight_map] = [at('sharded'), {} as Record<string, string>];
    mkdirSync(folder);
    for (const part of [1, 2]) {
      const file = `model-0000${part}-of-00002.safetensors`;
      const own = Object.entries(tinyWeights).filter((_, i) => i % 2 === part - 1);
      await writeSafetensors(join(folder, file), Object.fromEntries(own));
      for (const [name] of own) weight_map[name] = file;
    }
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
    copyFileSync(fixturePath('dit/config.json'), join(folder, 'config.json'));
    publish(folder, 'sharded');
    const { weights, fingerprint } = await openBackbone({
      path: 'hf://owner/model/sharded',
      weights: 'auto',
    });
    const whole = await openBackbone({ path: fixturePath('dit'), weights: 'auto' });
    expect(fingerprint).toBe(whole.fingerprint);
    const folders = Object.values(weights).flatMap((weight) =>
      isStored(weight) ? [dirname(weight.path)] : [],
    );
    expect(new Set(folders)).toEqual(
      new Set([realpathSync(join(hub().cache, 'models--owner--model', 'blobs'))]),
    );
  });

  it('is refused with exit code 2 where it is not there, or no weights', async () => {
    expect(await refusalOf('inspect', 'hf://owner/nothing')).toMatch(
      /^there is no repository owner\/nothing/,
    );
    expect(await refusalOf('inspect', 'hf://nothing')).toMatch(/is no address on the hub/);
    hub().files.set('model.safetensors', noise(1000));
    expect(await refusalOf('inspect', 'hf://owner/model')).toMatch(/model\.safetensors/);
    hub().files.set('model.safetensors.index.json', Buffer.from('{"weight_map":{"a":"../../token"}}'));
    hub().files.delete('model.safetensors');
    expect(await refusalOf('inspect', 'hf://owner/model')).toMatch(
      /it names "\.\.\/\.\.\/token", expected a \.safetensors file beside it/,
    );
  });

  it('is fetched once by two processes that want it at once', async () => {
    publish(fixturePath('dit'), 'dit');
    // Slow enough that the second process is there before the first one is done.
    hub().answer = (request, response, server) => {
      if (server !== 'content') return false;
      const bytes =
        hub().files.get(decodeURIComponent((request.url ?? '').slice(1).replace(/\?.*/, ''))) ?? noise(0);
      response.writeHead(200).write(bytes.subarray(0, 1000));
      setTimeout(() => response.end(bytes.subarray(1000)), 6000);
      return true;
    };
    const both = await Promise.all([
      inOwnProcess('inspect', 'hf://owner/model/dit'),
      inOwnProcess('inspect', 'hf://owner/model/dit'),
    ]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(
      both.filter(({ said }) => /is being fetched by process \d+; waiting for it/.test(said)),
    ).toHaveLength(1);
    const urls = hub()
      .asked.filter(({ server }) => server === 'content')
      .map(({ url }) => url);
    expect(urls).toEqual([...new Set(urls)]);
  }, 60_000);
});
