// How far are the features and predictions of a backbone in 8 bits from those in floats?
import type { BackboneSpec } from '../../../src/backbones/backbone.js';
import { familyOf } from '../../../src/backbones/families.js';
import { examples } from '../../../src/data/batches.js';
import { openData } from '../../../src/data/open.js';
import { diffusion } from '../../../src/diffusion/betas.js';
import { addNoise } from '../../../src/diffusion/forward.js';
import type { Engine, Feeds, Step } from '../../../src/engine/engine.js';
import type { HostTensors } from '../../../src/engine/tensors.js';
import { queryInputs, queryOf, type Model } from '../../../src/exits/model.js';
import { features, runHeads } from '../../../src/exits/run.js';
import { stream } from '../../../src/random.js';
import type { Context, Side } from './side.js';

const count = 256;

/** Prints, block by block, distances from the backbone in floats on noisy held-out images at all times. */
export async function showPredictions({ engine }: Context, fp32: Side, int8: Side): Promise<void> {
  const query = await noisyImages(fp32);
  const exact = await everything(engine, fp32.model, query);
  const taught = await everything(engine, int8.model, query);
  const untaught = await everything(engine, { ...int8.model, heads: fp32.model.heads }, query);
  const { plans, spec } = fp32.model;
  const full = dataOf(exact, 'full');
  console.log('\nmean square of predictions less the full prediction in floats:');
  console.log('| block | features off by | fp32 heads on fp32 | int8 heads on int8 | fp32 heads on int8 |');
  console.log('| --- | --- | --- | --- | --- |');
  for (const exit of [...plans.map((plan) => plan.exit), spec.depth]) {
    const name = exit === spec.depth ? 'full' : `exit/${exit}`;
    const feature = relativeError(dataOf(taught, `hidden/${exit}`), dataOf(exact, `hidden/${exit}`));
    const off = [exact, taught, untaught].map((of) => meanSquare(dataOf(of, name), full).toExponential(2));
    console.log(`| ${exit} | ${(100 * feature).toFixed(2)} % | ${off.join(' | ')} |`);
  }
  console.log(`full prediction: ${(100 * relativeError(dataOf(taught, 'full'), full)).toFixed(2)} % off`);
}

async function noisyImages({ config, model }: Side): Promise<Feeds> {
  const { spec } = model;
  const { x: clean, y } = await examples(await openData(config.data, 'test', spec), 0, count);
  const noise = stream(0, 'int8 noise').normals(clean.length);
  const t = Float32Array.from({ length: count }, (_, i) => Math.floor((i * spec.timeSteps) / count));
  return { x: addNoise(diffusion(config.diffusion), clean, noise, t), t, y };
}

/** Hidden states after every block as `hidden/<k>`, predictions of the heads as `exit/<k>`, of the backbone as `full`. */
async function everything(
  engine: Engine,
  { spec, backbone, plans, heads }: Model,
  query: Feeds,
): Promise<HostTensors> {
  const step = await engine.compile(everythingStep(spec, plans), {
    ...{ state: {}, batch: queryInputs(spec) },
    frozen: { ...backbone, ...heads },
  });
  try {
    return await step(query);
  } finally {
    await step.dispose();
  }
}

function everythingStep(spec: BackboneSpec, plans: Model['plans']): Step {
  return (_state, batch, frozen) => {
    const backbone = familyOf(spec).bind(spec, frozen);
    const blocks = Array.from({ length: spec.depth }, (_, i) => i + 1);
    const { states, full } = features(backbone, queryOf(batch, spec), blocks);
    const hidden = [...states].map(([k, state]) => [`hidden/${k}`, state.hidden] as const);
    const exits = runHeads(backbone, { plans, weights: frozen }, states);
    const predictions = exits.map(({ exit, prediction }) => [`exit/${exit}`, prediction] as const);
    return { state: {}, out: { full, ...Object.fromEntries(hidden), ...Object.fromEntries(predictions) } };
  };
}

/** Root mean square of the difference over that of what is expected. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let size = 0;
  for (let i = 0; i < expected.length; i++) size += (expected[i] ?? NaN) ** 2;
  return Math.sqrt((meanSquare(actual, expected) * expected.length) / size);
}

/** Mean of the squared differences. */
function meanSquare(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < expected.length; i++) sum += ((actual[i] ?? NaN) - (expected[i] ?? NaN)) ** 2;
  return sum / expected.length;
}

function dataOf(tensors: HostTensors, name: string): ArrayLike<number> {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`there is no ${name}`);
  return tensor.data;
}
