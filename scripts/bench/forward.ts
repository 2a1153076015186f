// How fast is a forward pass of the whole backbone? npx tsx scripts/bench/forward.ts [batch] [rounds]
import { initialWeights } from '../../src/backbones/init.js';
import { pickEngine } from '../../src/engine/pick.js';
import { exitStep, queryInputs } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { alternate, type Candidate } from './alternate.js';
import { benchSpec } from './spec.js';

const batch = Number(process.argv[2] ?? 16);
const rounds = Number(process.argv[3] ?? 5);
const model = { spec: benchSpec, backbone: initialWeights(benchSpec, 0), plans: [], heads: {} };
const feeds = {
  x: stream(0, 'x').normals(batch * 28 * 28),
  t: new Float32Array(batch).fill(500),
  y: new Int32Array(batch),
};

const candidates: Candidate[] = [];
for (const kind of ['onnx', 'wasm'] as const) {
  const engine = await pickEngine({ kind, threads: 0 });
  const step = await engine.compile(exitStep(model, benchSpec.depth, false), {
    state: {},
    batch: queryInputs(benchSpec),
    frozen: model.backbone,
  });
  candidates.push({ name: kind, images: batch, run: () => step(feeds) });
}
console.log(`forward pass of ${benchSpec.size}, batch ${batch}, ${rounds} rounds`);
await alternate(candidates, rounds);
