// How fast is a whole step of training heads? npx tsx scripts/bench/train-heads.ts [batch] [rounds] [head kind]
import { initialWeights } from '../../src/backbones/init.js';
import { diffusion, ddpmBetas } from '../../src/diffusion/betas.js';
import { pickEngine } from '../../src/engine/pick.js';
import { headKinds, headPlan } from '../../src/exits/heads.js';
import { stream } from '../../src/random.js';
import { headsStep } from '../../src/training/headsStep.js';
import { spreadTimes } from '../../src/training/noisyBatches.js';
import { trainingInputs } from '../../src/training/pretrainStep.js';
import { initialState } from '../../src/training/state.js';
import { headsAtStart } from '../../src/training/trainHeads.js';
import { alternate, type Candidate } from './alternate.js';
import { benchSpec } from './spec.js';

const batch = Number(process.argv[2] ?? 16);
const rounds = Number(process.argv[3] ?? 5);
const kind = headKinds.find((name) => name === (process.argv[4] ?? 'adapter'));
if (!kind || kind === 'shared') throw new Error('the head kind is linear, adapter or block');

const backbone = initialWeights(benchSpec, 0);
const plans = Array.from({ length: benchSpec.depth - 1 }, (_, i) => headPlan(kind, i + 1, 64));
const weights = await headsAtStart({ spec: benchSpec, weights: backbone }, plans, 0);
const random = stream(0, 'bench');
const length = batch * benchSpec.channels * benchSpec.imageSize ** 2;
const feeds = {
  x: random.normals(length),
  noise: random.normals(length),
  t: spreadTimes(0, batch, diffusion(ddpmBetas).steps),
  y: new Int32Array(batch),
  lambda: new Float32Array(batch).fill(1),
  lr: 1e-3,
};

const loss = { distillation: 1, exitWeights: plans.map(() => 1 / plans.length) };
const options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, clip: 1, ema: 0.995 };
const candidates: Candidate[] = [];
for (const engineKind of ['onnx', 'wasm'] as const) {
  const engine = await pickEngine({ kind: engineKind, threads: 0 });
  const step = await engine.compile(headsStep(benchSpec, plans, loss, options), {
    state: initialState(weights),
    batch: trainingInputs(benchSpec),
    frozen: backbone,
  });
  candidates.push({ name: engineKind, images: batch, run: () => step(feeds) });
}
console.log(
  `training step of ${plans.length} ${kind} heads on ${benchSpec.size}, batch ${batch}, ${rounds} rounds`,
);
await alternate(candidates, rounds);
