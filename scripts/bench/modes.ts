// How much faster is a training step that skips the blocks after each sample's exit? npx tsx scripts/bench/modes.ts [rounds]
// Fine-tunes models/mnist-dit under ASE's exits with batches of 64, in both forms, with LoRA, and at full depth.
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { pickEngine } from '../../src/engine/pick.js';
import { stream } from '../../src/random.js';
import { tuningParts } from '../../src/training/finetune.js';
import { initialState } from '../../src/training/state.js';
import { spreadTimes } from '../../src/training/times.js';
import { alternate, type Candidate } from './alternate.js';

const [rounds = 5] = process.argv.slice(2).map(Number);
const engine = await pickEngine({ kind: 'auto', threads: 0 });
const candidates: Candidate[] = [];
for (const [name, set] of [
  ['all', ['finetune.exits=[12]']],
  ['gather', ['finetune.form=gather']],
  ['skip', []],
  ['lora', ['mode=lora']],
] as const) {
  const { config } = await loadConfig('configs/mnist/finetune.yaml', {
    kind: 'train',
    set: set.map(parseSetting),
  });
  const { batch } = config.train;
  const backbone = await openBackbone(config.backbone);
  const { weights, frozen, stepOf, inputs, deepestFirst } = await tuningParts(config, backbone);
  const step = await engine.compile(stepOf(config.optimizer), {
    state: initialState(weights),
    batch: inputs,
    frozen,
  });
  const depth = (t: number): number => deepestFirst[t] ?? NaN;
  const t = spreadTimes(0.3, batch, config.diffusion.steps).toSorted((a, b) => depth(b) - depth(a));
  const random = stream(0, 'bench');
  const { channels, imageSize } = backbone.spec;
  const feeds = {
    x: random.normals(batch * channels * imageSize ** 2),
    noise: random.normals(batch * channels * imageSize ** 2),
    ...{ t, y: new Int32Array(batch), exit: t.map(depth), lambda: new Float32Array(batch).fill(1) },
    lr: 1e-5,
  };
  candidates.push({ name, images: batch, run: () => step(feeds) });
}
await alternate(candidates, rounds);
