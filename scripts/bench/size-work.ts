// What does a large backbone go through? 3 steps of training heads and 2 of sampling, as processes of their own:
// npx tsx scripts/bench/size-work.ts train|sample FOLDER. The last line says how long each part took, as JSON.
import { performance } from 'node:perf_hooks';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { pickEngine } from '../../src/engine/pick.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { headPlan } from '../../src/exits/heads.js';
import { stream } from '../../src/random.js';
import { sample } from '../../src/samplers/sampler.js';
import { headsInputs, headsStep, lossFeeds, targetsOf } from '../../src/training/headsStep.js';
import { spreadTimes } from '../../src/training/times.js';
import { initialState } from '../../src/training/state.js';
import { headsAtStart } from '../../src/training/trainHeads.js';

/** Since the process began: until the weights were checked, until the first step could run; and each step. */
export interface Times {
  readonly openSeconds: number;
  readonly loadSeconds: number;
  readonly stepSeconds: readonly number[];
}

const [what = '', path = ''] = process.argv.slice(2);
const batch = 2;
const start = performance.now();
const seconds = (since: number): number => (performance.now() - since) / 1000;

const engine = await pickEngine({ kind: 'onnx', threads: 0 });
const { spec, weights } = await openBackbone({ path, weights: 'auto' });
const openSeconds = seconds(start);
const quarters = [1, 2, 3].map((part) => Math.floor((part * spec.depth) / 4));
const plans = quarters.map((exit) => headPlan('adapter', exit, { bottleneck: 64 }));
const heads = await headsAtStart({ spec, weights }, plans, 0);
const length = batch * spec.channels * spec.imageSize ** 2;
const x = stream(0, 'x').normals(length);
const y = new Int32Array(batch);
const stepSeconds: number[] = [];

async function timed(work: () => Promise<unknown>): Promise<void> {
  const from = performance.now();
  await work();
  stepSeconds.push(seconds(from));
}

async function train(): Promise<number> {
  const loss = { denoising: 1, distillation: 1, exitWeights: plans.map(() => 1 / plans.length) };
  const options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, clip: 1, ema: 0.995 };
  const targets = targetsOf(loss);
  const step = await engine.compile(headsStep(spec, plans, targets, options), {
    state: initialState(heads),
    batch: headsInputs(spec, plans, targets),
    frozen: weights,
  });
  const loaded = seconds(start);
  const t = spreadTimes(0, batch, spec.timeSteps);
  const feeds = {
    x,
    y,
    t,
    noise: stream(0, 'noise').normals(length),
    ...lossFeeds(loss, Float32Array.of(1, 1)),
    lr: 1e-4,
  };
  for (let i = 0; i < 3; i++) await timed(() => step(feeds));
  await step.dispose();
  return loaded;
}

async function draw(): Promise<number> {
  const exits = [quarters[1] ?? 1, spec.depth];
  const denoiser = await openDenoiser(engine, { spec, backbone: weights, plans, heads }, exits, false);
  const loaded = seconds(start);
  const options = {
    ...{ timesteps: [999, 499], clip: false, count: batch, diffusion: diffusion(ddpmBetas) },
    solver: { kind: 'ddim', eta: 0 } as const,
    noise: () => new Float32Array(length),
  };
  const trajectory = denoiser.begin();
  await sample(options, x, async (x, t, step) => {
    let prediction = new Float32Array();
    await timed(async () => {
      prediction = Float32Array.from(
        await trajectory.predict(exits[step] ?? spec.depth, { x, t, y, guidance: 1 }),
      );
    });
    return prediction;
  });
  await denoiser.dispose();
  return loaded;
}

const works: Readonly<Record<string, () => Promise<number>>> = { train, sample: draw };
const work = works[what];
if (!work) throw new Error(`there is no ${what}; give train or sample`);
const loadSeconds = await work();
const times: Times = { openSeconds, loadSeconds, stepSeconds };
console.log(JSON.stringify(times));
