// How does each sample of a batch leave where it is good enough? One pass is cut at the exits; those that are sure leave,
// and the rest of the batch goes on alone, so that blocks are really skipped.
import type { CompiledStep, CompileOptions, Engine, Feeds, InputSpec, Step } from '../engine/engine.js';
import { sizeOf } from '../engine/tensors.js';
import { outline } from '../trace/trace.js';
import { askInputs, askStep } from './ask.js';
import type { Request } from './denoiser.js';
import { exitInputs, type Model } from './model.js';
import { promptsOf, type Prompts } from './prompts.js';
import { leaveStep, stretchStep } from './stretches.js';
import type { UncertaintyHeads } from './uncertaintyFile.js';

type Inputs = Readonly<Record<string, InputSpec>>;

/** A compiled step, and what it takes. */
interface Opened {
  readonly step: CompiledStep;
  readonly inputs: Inputs;
}

/** Where samples may leave. */
interface Stop {
  readonly exit: number;
  /** Blocks from the stop before to this one. */
  readonly stretch: Opened;
  /** Says how wrong leaving here is; absent at exit L, where all leave. */
  readonly ask?: Opened;
  readonly leave: Opened;
}

/** What was really run so far. */
export interface Spent {
  /** How often a sample left at each exit. */
  readonly exits: ReadonlyMap<number, number>;
  /** Multiply-adds, those of asking included, over those of as many passes at full depth. */
  readonly depthUsed: number;
}

export interface PerSampleDenoiser {
  /** Prediction of the exit that each sample leaves at, [B, outChannels, H, W] flat. */
  predict(request: Request): Promise<Float32Array>;
  spent(): Spent;
  /** Runs all that is compiled twice on zeros, as `Denoiser.warmUp`; nothing of it counts as spent. */
  warmUp(count: number): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Samples leave at the first exit whose uncertainty lies below the threshold, guided both halves together.
 * What comes of a sample does not depend on the batch it is in.
 * @param threshold in the units of the uncertainty heads; 0 is full depth, infinity the first exit
 * @param prompts what a request's numbers stand for; unless given, classes
 */
export async function openPerSample(
  engine: Engine,
  model: Model,
  { plan, weights }: UncertaintyHeads,
  threshold: number,
  isGuided: boolean,
  prompts: Prompts = promptsOf(model.spec),
): Promise<PerSampleDenoiser> {
  const { spec } = model;
  const frozen = { ...model.backbone, ...model.heads, ...weights };
  const open = async (step: Step, inputs: Inputs): Promise<Opened> => ({
    step: await engine.compile(step, { state: {}, batch: inputs, frozen }),
    inputs,
  });
  const query = exitInputs({ spec, plans: [] }, spec.depth, isGuided);
  const steer = query['scale'] && { scale: query['scale'] };
  const stops: Stop[] = [];
  let [from, state]: [number, CompileOptions['batch']] = [0, {}];
  for (const exit of [...plan.exits, spec.depth]) {
    const stretch = stretchStep(model, { from, to: exit }, isGuided);
    const taken = from === 0 ? query : state;
    state = { ...state, ...outline(stretch, { state: {}, batch: taken, frozen }).out };
    stops.push({
      exit,
      stretch: await open(stretch, taken),
      ...(exit < spec.depth && {
        ask: await open(askStep(spec, plan, exit, isGuided), askInputs(spec, isGuided)),
      }),
      leave: await open(leaveStep(model, exit, isGuided), { ...state, ...steer }),
    });
    from = exit;
  }
  const inputs: Inputs = { ...query, ...state };
  const left = new Map<number, number>();
  let asked = 0;
  const queried = async ({ x, t, y, guidance }: Request): Promise<Feeds> => ({
    ...{ x, t: new Float32Array(y.length).fill(t) },
    ...(await prompts.feeds(y)),
    ...(isGuided && (await prompts.guidanceFeeds(guidance))),
  });
  return {
    async predict(request) {
      const { x, y } = request;
      const count = y.length;
      const out = new Float32Array((x.length / spec.channels) * spec.outChannels);
      const length = out.length / count;
      let rows = Array.from({ length: count }, (_, i) => i);
      let known = await queried(request);
      for (const { exit, stretch, ask, leave } of stops) {
        known = { ...known, ...(await call(stretch, known)) };
        const said = ask && floats((await call(ask, known))['uncertainty']);
        const places = rows.map((_, i) => i);
        const isSure = (i: number): boolean => !said || (said[i] ?? NaN) < threshold;
        const leaving = places.filter(isSure);
        if (leaving.length > 0) {
          const given = await call(leave, chosen(known, inputs, rows.length, leaving));
          const prediction = floats(given['prediction']);
          leaving.forEach((i, place) => {
            const own = prediction.subarray(place * length, (place + 1) * length);
            out.set(own, (rows[i] ?? NaN) * length);
          });
          left.set(exit, (left.get(exit) ?? 0) + leaving.length);
        }
        const staying = places.filter((i) => !isSure(i));
        if (staying.length === 0) break;
        known = chosen(known, inputs, rows.length, staying);
        rows = staying.map((i) => rows[i] ?? NaN);
      }
      asked += count;
      return out;
    },
    async warmUp(count) {
      const x = new Float32Array(count * spec.channels * spec.imageSize ** 2);
      const asked = await queried({ x, t: 0, y: new Int32Array(count), guidance: 1 });
      for (let times = 0; times < 2; times++) {
        let known = asked;
        for (const { stretch, ask, leave } of stops) {
          known = { ...known, ...(await call(stretch, known)) };
          if (ask) await call(ask, known);
          await call(leave, known);
        }
      }
    },
    spent() {
      const [whole] = stops.slice(-1);
      const blocks = stops.reduce((sum, { stretch }) => sum + stretch.step.macs, 0);
      const full = blocks + (whole?.leave.step.macs ?? NaN);
      let [through, spent] = [0, 0];
      for (const { exit, stretch, ask, leave } of stops) {
        through += stretch.step.macs + (ask?.step.macs ?? 0);
        spent += (left.get(exit) ?? 0) * (through + leave.step.macs);
      }
      return { exits: new Map(left), depthUsed: spent / (full * asked) };
    },
    async dispose() {
      for (const { stretch, ask, leave } of stops)
        for (const opened of [stretch, ask, leave]) await opened?.step.dispose();
    },
  };
}

/** Some samples of what is known, in that order; what carries no batch stays. @param count samples in all */
function chosen(known: Feeds, inputs: Inputs, count: number, rows: readonly number[]): Feeds {
  if (rows.length === count) return known;
  return Object.fromEntries(
    Object.entries(known).map(([name, data]) => {
      const shape = inputs[name]?.shape ?? [];
      const at = shape.indexOf('batch');
      if (at < 0 || typeof data === 'number') return [name, data];
      const outer = sizeOf(numbersIn(shape.slice(0, at)));
      const inner = sizeOf(numbersIn(shape.slice(at + 1)));
      const [own, length] = [data instanceof Int32Array ? Int32Array : Float32Array, rows.length * inner];
      const some = new own(outer * length);
      for (let o = 0; o < outer; o++)
        rows.forEach((row, place) => {
          for (let n = 0; n < inner; n++)
            some[o * length + place * inner + n] = data[(o * count + row) * inner + n] ?? NaN;
        });
      return [name, some];
    }),
  );
}

function numbersIn(shape: InputSpec['shape']): number[] {
  return shape.filter((d) => d !== 'batch');
}

function floats(data: Feeds[string] | undefined): Float32Array {
  if (!(data instanceof Float32Array)) throw new Error('a result is made of floats');
  return data;
}

/** @param known among others what the step takes */
async function call({ step, inputs }: Opened, known: Feeds): Promise<Feeds> {
  const feeds = Object.fromEntries(
    Object.keys(inputs).map((name) => {
      const given = known[name];
      if (given === undefined) throw new Error(`nothing is known as ${name}`);
      return [name, given] as const;
    }),
  );
  return Object.fromEntries(Object.entries(await step(feeds)).map(([name, { data }]) => [name, data]));
}
