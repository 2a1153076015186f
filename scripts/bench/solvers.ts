// How near does each solver come in few calls to where the exact path ends? npx tsx scripts/bench/solvers.ts [backbone] [count]
//
// Draws the same digits with every solver in at most 10 and 20 calls of the model. Those that add no noise follow one path,
// and the table says how far from its end they are, as 100 steps of Heun find it: mean squared difference. The picture
// has a row for each solver, with ten digits each.
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { spacedTimes, type Spacing } from '../../src/diffusion/spacing.js';
import { pickEngine } from '../../src/engine/pick.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { promptsOf } from '../../src/exits/prompts.js';
import { writeFileAtomic } from '../../src/files/write.js';
import { imageGrid } from '../../src/report/grid.js';
import { drift } from '../../src/samplers/compare.js';
import { generateBatch } from '../../src/samplers/generate.js';
import { callsOf, solverNames, solverOf, type Solver } from '../../src/samplers/solvers.js';

const [path = 'models/mnist-dit', number] = process.argv.slice(2);
const count = Number(number ?? 30);
const picture = 'solvers.png';

const engine = await pickEngine({ kind: 'auto', threads: 0 });
const { spec, weights } = await openBackbone({ path, weights: 'auto' });
const noising = diffusion({ ...ddpmBetas, steps: spec.timeSteps, prediction: spec.prediction });
const classes = promptsOf(spec).count;
const length = spec.channels * spec.imageSize ** 2;
const denoiser = await openDenoiser(
  engine,
  { spec, backbone: weights, plans: [], heads: {} },
  [spec.depth],
  false,
);
const { signal } = new AbortController();

async function draw(solver: Solver, timesteps: readonly number[]): Promise<Float32Array> {
  const trajectory = denoiser.begin();
  return generateBatch(
    {
      solver,
      diffusion: noising,
      timesteps,
      clip: false,
      seed: 0,
      count,
      batch: count,
      length,
      classes,
      signal,
    },
    0,
    count,
    (x, t, y) => trajectory.predict(spec.depth, { x, t, y, guidance: 1 }),
  );
}

/** The most steps that take no more calls. */
function timesWithin(solver: Solver, calls: number, spacing: Spacing): number[] {
  for (let steps = calls; ; steps--) {
    const times = spacedTimes(noising, steps, spacing);
    if (steps === 1 || callsOf(solver, noising, times).length <= calls) return times;
  }
}

const settings = solverNames.flatMap((solver) =>
  solver.startsWith('dpm-solver')
    ? [2, 3].flatMap((order) =>
        [false, true].map((singlestep) => [solver, `order=${order}`, `singlestep=${singlestep}`]),
      )
    : solver === 'edm'
      ? [[solver, 'churn=4']]
      : [[solver]],
);
const isNoisy = (name: string): boolean => /^(ddpm|edm|euler-ancestral|euler-maruyama)$/.test(name);

const reference = await draw({ kind: 'edm', order: 2 }, spacedTimes(noising, 100, 'linspace'));
const rows: Float32Array[] = [];
console.log('| solver | spacing | 10 calls | 20 calls |\n| --- | --- | --- | --- |');
for (const [name = '', ...keys] of settings) {
  const set = [`solver=${name}`, ...keys].map((key) => parseSetting(`sample.${key}`));
  const { config } = await loadConfig(undefined, { kind: 'sample', set });
  const solver = solverOf(config.sample);
  for (const spacing of isNoisy(name) ? (['even'] as const) : (['even', 'above-zero', 'log-snr'] as const)) {
    const found: string[] = [];
    for (const calls of [10, 20]) {
      const images = await draw(solver, timesWithin(solver, calls, spacing));
      found.push(isNoisy(name) ? '' : drift(images, reference).toPrecision(2));
      if (calls === 20 && spacing === 'even') rows.push(images.subarray(0, 10 * length));
    }
    console.log(`| ${[name, ...keys].join(' ')} | ${spacing} | ${found.join(' | ')} |`);
  }
}
await denoiser.dispose();
const shown = new Float32Array(rows.length * 10 * length);
rows.forEach((row, i) => shown.set(row, i * 10 * length));
const { png } = await imageGrid(shown, { channels: spec.channels, imageSize: spec.imageSize, columns: 10 });
await writeFileAtomic(picture, png);
console.log(`picture      ${picture}, a row for each solver in this order, 20 calls, evenly spaced`);
