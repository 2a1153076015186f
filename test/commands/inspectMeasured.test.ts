import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { plansTold } from '../../src/commands/inspected/made.js';
import { exithead, refusalOf, told, workshop } from '../workshop.js';
import { writeTinyJudge } from '../tiny-judge.js';

const { at, pretrain, heads } = workshop();
const short = ['--set', 'train.steps=4', '--set', 'train.checkpointEvery=2', '--set', 'train.logEvery=2'];
const run = at('runs/002-tiny-heads');
let fingerprint = '';
process.env['EXITHEAD_CACHE'] = at('cache');

async function train(...set: string[]): Promise<string> {
  const words = set.flatMap((one) => ['--set', one]);
  return String((await told('train', heads, '--out', at('runs'), ...short, ...words))['run']);
}

beforeAll(async () => {
  const { backbone, ...rest } = await told('pretrain', pretrain, '--out', at('runs'), ...short);
  fingerprint = String(rest['fingerprint']);
  cpSync(String(backbone), at('backbone'), { recursive: true });
  await train();
  await told('profile', run);
  const few = ['--set', 'profile.trajectories=4', '--set', 'schedule.steps=5'];
  await told('profile', run, '--sensitivity', ...few);
  await told('schedule', run);
  await told('uncertainty', run, '--set', 'uncertainty.steps=4', '--samples', '60');
}, 120_000);

/** What is said of a thing that is as it should be. */
async function saidOf(...words: string[]): Promise<string> {
  const { code, out, err } = await exithead(['inspect', ...words]);
  expect(err).toBe('');
  expect(code).toBe(0);
  return out;
}

/** A copy whose text is changed. */
function edited(name: string, from: string, change: (text: string) => string): string {
  writeFileSync(at(name), change(readFileSync(from, 'utf8')));
  return at(name);
}

describe('inspect of what was measured', () => {
  it('tells sensitivities and calibrations, and holds them against heads and backbone', async () => {
    const sensitivity = await saidOf(`${run}/sensitivity.json`);
    expect(sensitivity).toMatch(/holds sensitivities at 5 steps of ddim, guidance 2, from 4 trajectories\n/);
    expect(sensitivity).toContain(`made for the backbone ${fingerprint}\n`);
    expect(sensitivity).toMatch(/\nfits the backbone .*\nfits the heads .*heads\.safetensors\n/);
    expect(sensitivity).toMatch(/\nnative t +[\d ]+\nnoise +\d\.\de/);
    const calibration = await saidOf(`${run}/calibration.json`);
    expect(calibration).toMatch(
      /is a calibration of uncertainty heads \(log-excess\) at 2 exits, on 60 samples\n/,
    );
    expect(calibration).toMatch(
      /\nfits the heads .*\n[^]*\nthe uncertainty heads know .* constant per time and exit/,
    );
    const other = edited('other.json', `${run}/sensitivity.json`, (text) =>
      text.replaceAll(fingerprint, 'other'),
    );
    expect(await refusalOf('inspect', other, '--backbone', at('backbone'))).toMatch(
      /made for the backbone with fingerprint other, but .* has \w{64}/,
    );
  });

  it('tells an evaluation, by its file or its folder, and what judged it', async () => {
    await told('export', run, '--out', at('bundle'));
    const judge = writeTinyJudge(at('judge.onnx'));
    const few = ['-n', '12', '--batch', '6', '--against', 'fewer-steps', '--features', judge];
    await told('evaluate', at('bundle'), ...few, '--out', at('judged'));
    const out = await saidOf(at('judged'));
    expect(out).toMatch(
      /evaluation\.json is an evaluation: \d+ ways to sample, each 12 images with 1 seed\n/,
    );
    expect(out).toMatch(/\nway +depth +s\/image +speed +FID/);
    const facts = await told('inspect', at('judged/evaluation.json'), '--backbone', at('backbone'));
    expect(facts).toMatchObject({
      kind: 'evaluation',
      table: { backbone: fingerprint },
      fits: [{ what: 'backbone', found: fingerprint }],
      problems: [],
    });
    const features = await saidOf(at('judge.json'));
    expect(features).toMatch(/judge\.json says how .*judge\.onnx sees images\n/);
    expect(features).toContain('input batch/x: 8 x 8, grey, NCHW; images of another size are refused\n');
    expect(features).toContain('features out/features; decides nothing');
    const alone = edited('alone.json', at('judge.json'), (text) => text);
    expect(await refusalOf('inspect', alone)).toMatch(/alone\.onnx is not there/);
  }, 60_000);
});

describe('inspect of uncertainty heads', () => {
  it('tells which exits they judge, and holds them against the heads', async () => {
    const file = `${run}/uncertainty.safetensors`;
    const out = await saidOf(file);
    expect(out).toMatch(/holds uncertainty heads \(log-excess\) at exits 1, 2 with [\d,]+ parameters\n/);
    expect(out).toMatch(/\nfits the backbone .*\nfits the heads .*heads\.safetensors\n/);
    const others = await train('heads.kind=linear');
    cpSync(file, `${others}/uncertainty.safetensors`);
    expect(await refusalOf('inspect', `${others}/uncertainty.safetensors`)).toMatch(
      /was made for heads with fingerprint \w{64}, but .*heads\.safetensors has/,
    );
  });

  it('stand in the run among what was made, and the run of their training is told apart', async () => {
    expect(await saidOf(run)).toContain(
      'made since: error table, sensitivities, schedule, uncertainty heads, calibration\n',
    );
    const training = `${run}/001-uncertainty`;
    const out = await saidOf(training);
    expect(out).toMatch(/^a finished run of exithead uncertainty: uncertainty, 4 of 4 steps\n/);
    expect(out).toContain(`its heads lie in the run ${run}\n`);
    cpSync(run, at('half'), { recursive: true });
    rmSync(at('half/uncertainty.safetensors'));
    expect(await saidOf(at('half/001-uncertainty'))).toContain(
      `go on with: exithead uncertainty ${at('half')} --resume\n`,
    );
  });
});

describe('inspect of heads', () => {
  it.each([
    ['memory', 'memory'],
    ['low-rank', 'low-rank'],
  ])('of kind %s tells them in a run and in a bundle', async (kind) => {
    const made = await train(`heads.kind=${kind}`);
    expect(await saidOf(`${made}/heads.safetensors`)).toContain(`heads: 2 x ${kind} (exits 1, 2)\n`);
    await told('profile', made);
    await told('schedule', made, '--speedup', '1');
    const bundle = at(`bundle-${kind}`);
    await told('export', made, '--out', bundle);
    expect(await saidOf(`${bundle}/heads.safetensors`)).toMatch(
      /holds the heads of a bundle, [\d,]+ parameters at exits 1, 2\n/,
    );
  });
});

describe('what is said of heads', () => {
  it('names the kinds, their exits and where variances come from', () => {
    expect(
      plansTold([
        { kind: 'shared', exit: 1 },
        { kind: 'linear', exit: 2, variance: 'shared' },
        { kind: 'linear', exit: 3, variance: 'shared' },
      ]),
    ).toBe('1 x shared (exits 1); 2 x linear with the variance of the backbone (exits 2, 3)');
  });
});

describe('inspect of a run that trained the backbone', () => {
  it('tells its mode, and low-rank additions with the backbone that they are added to', async () => {
    const made = await train('mode=lora', 'lora.rank=2');
    const out = await saidOf(made);
    expect(out).toContain('\nmode lora: low-rank additions to the backbone were trained');
    expect(out).toMatch(/ on DiT-3x16\/4 \(.*runs\/\d+-tiny-heads\/backbone/);
    const file = `${made}/lora.safetensors`;
    // Blocks 1 to 3, each with qkv, proj, fc1 and fc2.
    const lora = await saidOf(file);
    expect(lora).toMatch(/holds additions of rank 2 \(alpha 8\) to 12 layers with [\d,]+ parameters\n/);
    expect(lora).toContain(`added to the backbone ${fingerprint}; `);
    expect(lora).toMatch(/\nfits the backbone .*backbone\n/);
    expect(await refusalOf('inspect', file, '--backbone', `${made}/backbone`)).toMatch(
      /was made for the backbone with fingerprint/,
    );
    expect(await saidOf(`${made}/heads.safetensors`)).toMatch(/\nfits the backbone .*backbone/);
  });

  it('tells fine-tuning from training heads alone', async () => {
    expect(await saidOf(await train('mode=finetune'))).toContain('\nmode finetune: the backbone itself');
    expect(await saidOf(run)).toContain('\nmode frozen: only heads were trained\n');
  });
});
