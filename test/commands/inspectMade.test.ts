import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { fixturePath } from '../fixtures.js';
import { exithead, refusalOf, told, workshop, type Json } from '../workshop.js';

const { at, pretrain, heads } = workshop();
const [made, run] = [at('runs/001-tiny-pretrain'), at('runs/002-tiny-heads')];
const few = ['--set', 'train.steps=4', '--set', 'train.checkpointEvery=2', '--set', 'train.logEvery=2'];
let fingerprint = '';

beforeAll(async () => {
  const { backbone, ...rest } = await told('pretrain', pretrain, '--out', at('runs'), ...few);
  fingerprint = String(rest['fingerprint']);
  cpSync(String(backbone), at('backbone'), { recursive: true });
  await told('train', heads, '--out', at('runs'), ...few);
  await told('profile', run);
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
}, 120_000);

/** What is said of a thing that is as it should be. */
async function saidOf(...words: string[]): Promise<string> {
  const { code, out, err } = await exithead(['inspect', ...words]);
  expect(err).toBe('');
  expect(code).toBe(0);
  return out;
}

/** A copy of a file or folder, changed. */
function changed(name: string, from: string, change: (path: string) => void): string {
  const copy = at(name);
  cpSync(from, copy, { recursive: true });
  change(copy);
  return copy;
}

function editJson(file: string, change: (json: Json) => Json): void {
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as Json)));
}

describe('inspect of a run', () => {
  it('tells what it made, on what, and with how many checkpoints', async () => {
    const out = await saidOf(run);
    expect(out).toMatch(/^a finished run of exithead train: tiny-heads, 4 of 4 steps\n/);
    expect(out).toMatch(/\nwhy: its config\.yaml is one for train; .* bytes\)\n/);
    expect(out).toMatch(/\ncheckpoints after steps 4, 2, .* bytes\)\n/);
    expect(out).toMatch(/\n2 x adapter \(exits 1, 2\) on DiT-3x16\/4 \(/);
    expect(out).toMatch(/\nmade since: error table, schedule\n/);
    expect(await told('inspect', run)).toMatchObject({
      kind: 'run',
      verb: 'train',
      fingerprint,
      problems: [],
    });
  });

  it('tells the backbone that pretraining made', async () => {
    expect(await saidOf(made)).toMatch(
      /^a finished run of exithead pretrain: tiny-pretrain, 4 of 4 steps\n[^]*\nDiT-3x16\/4, a backbone of /,
    );
    expect(await told('inspect', made)).toMatchObject({
      kind: 'run',
      verb: 'pretrain',
      backbone: { kind: 'backbone', fingerprint },
    });
  });

  it('that is not finished tells how far it has come, and how to go on', async () => {
    const half = changed('runs/half', run, (copy) => rmSync(`${copy}/heads.safetensors`));
    const out = await saidOf(half);
    expect(out).toMatch(/^an unfinished run of exithead train: tiny-heads, 4 of 4 steps\n/);
    expect(out).toContain(`\ngo on with: exithead train ${half} --resume\n`);
    const early = changed('runs/early', made, (copy) => {
      rmSync(`${copy}/backbone`, { recursive: true });
      rmSync(`${copy}/checkpoints`, { recursive: true });
    });
    const facts = await told('inspect', early);
    expect(facts).toMatchObject({ verb: 'pretrain', state: 'unfinished', checkpoints: [], steps: 4 });
    expect(await saidOf(early)).toMatch(/pretrain: tiny-pretrain, 0 of 4 steps\n[^]*\nno checkpoints\n/);
  });

  it('whose schedule is for other heads says so, tells the rest, and ends with 2', async () => {
    const odd = changed('runs/odd', run, (copy) =>
      editJson(`${copy}/schedule.json`, (json) => ({ ...json, heads: 'others' })),
    );
    const { code, out, err } = await exithead(['inspect', odd, '--json']);
    expect(code).toBe(2);
    expect(err).toMatch(/schedule\.json was made for heads with fingerprint others, but .* has \w{64}/);
    expect(JSON.parse(out)).toMatchObject({ kind: 'run', problems: [expect.stringContaining('others')] });
  });
});

describe('inspect of a run whose backbone is gone', () => {
  it('tells how far it has come, and ends with 2', async () => {
    const moved = changed('elsewhere', run, () => undefined);
    const { code, out, err } = await exithead(['inspect', moved]);
    expect(code).toBe(2);
    expect(out).toMatch(/^a finished run of exithead train: tiny-heads, 4 of 4 steps\n/);
    expect(err).toMatch(/backbone is not there/);
  });
});

describe('inspect of a file of a run', () => {
  it('tells heads, and holds them against the backbone of the run', async () => {
    const out = await saidOf(`${run}/heads.safetensors`);
    expect(out).toMatch(/^.*heads\.safetensors holds 2 exit heads with [\d,]+ parameters\n/);
    expect(out).toContain('heads: 2 x adapter (exits 1, 2)\n');
    expect(out).toContain(`made for the backbone ${fingerprint}\n`);
    expect(out).toMatch(/\nfits the backbone .*backbone\n/);
  });

  it('tells heads that lie alone, and holds them against what is given', async () => {
    const alone = changed('alone.safetensors', `${run}/heads.safetensors`, () => undefined);
    expect(await saidOf(alone)).toContain('\nnot held against a backbone: give its place with --backbone\n');
    expect(await saidOf(alone, '--backbone', at('backbone'))).toContain('\nfits the backbone ');
    expect(await refusalOf('inspect', alone, '--backbone', 'models/mnist-dit')).toMatch(
      /was made for the backbone with fingerprint \w{64}, but this backbone has/,
    );
  });

  it('tells checkpoints, and of which run they are', async () => {
    const file = `${run}/checkpoints/step-4.safetensors`;
    const out = await saidOf(file);
    expect(out).toMatch(/^.*step-4\.safetensors is a training checkpoint after 4 steps, undamaged\n/);
    expect(out).toContain(`\ntrained on the backbone ${fingerprint}\nof the run ${run}\n`);
    const spoilt = changed('spoilt.safetensors', file, (copy) => {
      const bytes = readFileSync(copy);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      writeFileSync(copy, bytes);
    });
    expect(await refusalOf('inspect', spoilt)).toMatch(/is damaged: its tensors are not those/);
    const strange = changed('runs/strange', run, (copy) =>
      writeFileSync(`${copy}/config.yaml`, `${readFileSync(`${copy}/config.yaml`, 'utf8')}\n# changed\n`),
    );
    expect(await refusalOf('inspect', `${strange}/checkpoints/step-4.safetensors`)).toContain(
      'config.yaml has changed since',
    );
  });

  it('tells schedules and error tables, and holds them against heads and backbone', async () => {
    const schedule = await saidOf(`${run}/schedule.json`);
    expect(schedule).toMatch(/^.*schedule\.json is a schedule\n/);
    expect(schedule).toMatch(/\nschedule of 10 steps, predicted speed-up 1\.\d+x: \d+ x exit \d/);
    expect(schedule).toMatch(/\nfits the backbone .*\nfits the heads .*heads\.safetensors\n/);
    const table = await saidOf(`${run}/error-table.json`);
    expect(table).toMatch(/^.*is an error table: 90 samples in 5 bins of 100 diffusion steps\n/);
    expect(table).toMatch(/\nexit +head +MMACs +error +excess\n +1 +adapter +0\.\d+ +\d\.\d+ +\d/);
    expect(await refusalOf('inspect', `${run}/schedule.json`, '--backbone', fixturePath('dit'))).toMatch(
      /was made for the backbone with fingerprint \w{64}, but .*dit has \w{64}/,
    );
  });

  it('tells configs, what they are for, and all that is wrong with them', async () => {
    expect(await saidOf(`${run}/config.yaml`)).toMatch(/is a config for exithead train, and right\n/);
    expect(await saidOf(pretrain)).toMatch(/is a config for exithead pretrain, and right\n/);
    expect(await saidOf(at('base.yaml'))).toMatch(
      /is a part of a config for train or pretrain, right as far as it goes\n/,
    );
    const wrong = at('wrong.yaml');
    writeFileSync(wrong, `extends: heads.yaml\ntrain: { batsh: 4 }\nheads: { kind: magic }\n`);
    expect(await refusalOf('inspect', wrong)).toMatch(
      /wrong\.yaml:2:\d+ +train\.batsh: .*did you mean train\.batch[^]*wrong\.yaml:3:\d+ +heads\.kind: found "magic"/,
    );
    const unnamed = at('config-without-a-name');
    writeFileSync(unnamed, readFileSync(heads));
    expect(await told('inspect', unnamed)).toMatchObject({ kind: 'config', purposes: ['train'] });
  });
});

describe('inspect of a bundle', () => {
  it('tells its backbone, heads, schedule and exits, as a folder or by its description', async () => {
    for (const path of [at('bundle'), at('bundle/bundle.json')]) {
      const out = await saidOf(path);
      expect(out).toMatch(/^a bundle for DiT-3x16\/4, with its backbone as it should be\n/);
      expect(out).toContain(`backbone ../backbone, fingerprint ${fingerprint}\n`);
      expect(out).toMatch(/\nexit +head +MMACs +of full depth\n +1 +adapter/);
    }
    expect(await saidOf(at('bundle/heads.safetensors'))).toMatch(
      /holds the heads of a bundle, [\d,]+ parameters at exits 1, 2\n/,
    );
    expect(await saidOf(at('bundle/schedule.json'))).toMatch(/\nfits the backbone .*bundle\.json\n/);
  });

  it('whose backbone is gone tells the rest, and ends with 2', async () => {
    const lost = changed('far/lost', at('bundle'), () => undefined);
    const { code, out, err } = await exithead(['inspect', lost]);
    expect(code).toBe(2);
    expect(out).toMatch(/^a bundle for DiT-3x16\/4, whose backbone is not at hand\n/);
    expect(err).toContain('which cannot be opened');
    expect(await told('inspect', lost, '--backbone', at('backbone'))).toMatchObject({ kind: 'bundle' });
  });
});

describe('inspect of a bundle with ONNX graphs', () => {
  beforeAll(async () => {
    await told('export', run, '--out', at('graphs'), '--onnx');
  });

  it('tells which exits they are, as part of the bundle and alone', async () => {
    const { exits } = JSON.parse(readFileSync(at('graphs/schedule.json'), 'utf8')) as { exits: number[] };
    const used = [...new Set(exits)].toSorted((a, b) => a - b);
    expect(await saidOf(at('graphs'))).toContain(`\nONNX graphs of exits ${used.join(', ')}\n`);
    expect(await told('inspect', at('graphs'))).toMatchObject({ kind: 'bundle', graphs: used, problems: [] });
    expect(readFileSync(at('graphs/README.md'), 'utf8')).toContain('- `onnx/`: one ONNX graph');
    expect(readFileSync(at('bundle/README.md'), 'utf8')).not.toContain('onnx');
    for (const path of [at('graphs/onnx'), at('graphs/onnx/manifest.json')])
      expect(await saidOf(path)).toMatch(/^.*onnx holds \d exits? of DiT-3x16\/4 as ONNX graphs\n/);
  });

  it('says where they are of another schedule, or no longer those that were exported', async () => {
    const other = changed('other-graphs', at('graphs'), (copy) =>
      editJson(`${copy}/onnx/manifest.json`, (json) => ({ ...json, heads: 'others' })),
    );
    expect(await refusalOf('inspect', other, '--backbone', at('backbone'))).toMatch(
      /onnx holds the graphs of other heads or of another schedule than .* Export it again\./,
    );
    const spoilt = changed('spoilt-graphs', at('graphs'), (copy) =>
      writeFileSync(`${copy}/onnx/weights.safetensors`, 'none'),
    );
    const message = /weights\.safetensors has 4 bytes of SHA-256 \w{64}, expected \d+ of \w{64}/;
    expect(await refusalOf('inspect', `${spoilt}/onnx`)).toMatch(message);
    const { code, out, err } = await exithead(['inspect', spoilt, '--backbone', at('backbone')]);
    expect(code).toBe(2);
    expect(out).toMatch(/^a bundle for DiT-3x16\/4, with its backbone as it should be\n/);
    expect(err).toMatch(message);
  });

  it('is replaced by one without them, but not with files of another make', async () => {
    changed('again', at('graphs'), () => undefined);
    await told('export', run, '--out', at('again'));
    expect(await told('inspect', at('again'), '--backbone', at('backbone'))).toMatchObject({ graphs: [] });
    changed('mine', at('graphs'), (copy) => writeFileSync(`${copy}/onnx/notes.txt`, 'mine'));
    expect(await refusalOf('export', run, '--out', at('mine'))).toContain(
      'holds other files (onnx/notes.txt)',
    );
  });
});

describe('inspect of anything else', () => {
  it('refuses JSON of another format, naming those it knows', async () => {
    const file = at('other.json');
    writeFileSync(file, '{ "format": "something-else", "version": 1 }');
    expect(await refusalOf('inspect', file)).toBe(
      `${file} is JSON of the format "something-else", and no config.json of a model. Formats that exithead knows are ` +
        'exithead-bundle, exithead-onnx, exithead-schedule, exithead-front, exithead-error-table, exithead-error-sums, ' +
        'exithead-sensitivity, exithead-trajectories, exithead-calibration, ' +
        'exithead-evaluation, exithead-features, exithead-latents, exithead-captions.',
    );
    const strayed = changed('strayed.json', at('bundle/bundle.json'), () => undefined);
    expect(await refusalOf('inspect', strayed)).toContain('expected bundle.json');
  });

  it('refuses options that do not go with what is there', async () => {
    expect(await refusalOf('inspect', run, '--size', 'DiT-S/2')).toContain(
      'is of the kind run, so --size does not go with it',
    );
    expect(await refusalOf('inspect', fixturePath('dit'), '--backbone', at('backbone'))).toContain(
      '--backbone',
    );
    expect(await refusalOf('inspect', pretrain, '--image-size', '8')).toContain('--image-size does not go');
  });
});
