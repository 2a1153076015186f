// Exits ready to sample, each stopping at its block.
import type { CompiledStep, CompileOptions, Engine, Feeds } from '../engine/engine.js';
import { sizeOf } from '../engine/tensors.js';
import { outline } from '../trace/trace.js';
import { exitStep, queryInputs, type Model } from './model.js';
import { guidanceInputs, promptsOf, type Prompts } from './prompts.js';
import { leaveStep, stretchStep } from './stretches.js';

/** Samples at one time: x [B,C,H,W] flat, native t, numbers of what is asked for, guidance scale. */
export interface Request {
  readonly x: Float32Array;
  readonly t: number;
  readonly y: Int32Array;
  /** 1 is unguided, and costs half. */
  readonly guidance: number;
}

export interface Denoiser {
  /** Prediction of exit k, [B, outChannels, H, W] flat. */
  predict(exit: number, request: Request): Promise<Float32Array>;
  /** Runs all that is compiled twice on zeros: the first two calls of a compiled step also allocate its memory. */
  warmUp(count: number): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Exits that are compiled whole run a few percent faster than one pass that is cut, but where an engine does not share
 * weights each holds a copy of the blocks before it. From here on that is not worth it.
 */
const mostCopied = 64 * 2 ** 20;

/** A compiled step, and what it takes. */
interface Opened {
  readonly step: CompiledStep;
  readonly inputs: readonly string[];
}

/** Where a pass may end. */
interface Stop {
  readonly exit: number;
  /** Blocks from the stop before to this one; absent where exits are whole. */
  readonly stretch?: Opened;
  /** What ends the pass here. */
  readonly leave: Opened;
}

/**
 * Compiles the exits that will be used. Guided and plain requests take different steps: say which will come.
 * @param prompts what a request's numbers stand for; unless given, classes
 */
export async function openDenoiser(
  engine: Engine,
  model: Model,
  exits: Iterable<number>,
  isGuided: boolean,
  prompts: Prompts = promptsOf(model.spec),
): Promise<Denoiser> {
  const used = [...new Set(exits)].toSorted((a, b) => a - b);
  const isCut = !engine.sharesWeights && copiedBytes(model, used) > mostCopied;
  const stops = await (isCut ? cutStops : wholeStops)(engine, model, used, isGuided);
  const queryFeeds = async ({ x, t, y, guidance }: Request): Promise<Feeds> => ({
    ...{ x, t: new Float32Array(y.length).fill(t) },
    ...(await prompts.feeds(y)),
    ...(isGuided && (await prompts.guidanceFeeds(guidance))),
  });
  const { channels, imageSize } = model.spec;
  return {
    async predict(exit, request) {
      let known = await queryFeeds(request);
      for (const stop of stops) {
        if (stop.stretch && stop.exit <= exit) known = { ...known, ...(await call(stop.stretch, known)) };
        if (stop.exit !== exit) continue;
        const { prediction } = await call(stop.leave, known);
        if (!(prediction instanceof Float32Array)) throw new Error('a prediction is made of floats');
        return prediction;
      }
      throw new Error(`exit ${exit} was not opened`);
    },
    async warmUp(count) {
      const x = new Float32Array(count * channels * imageSize ** 2);
      const feeds = await queryFeeds({ x, t: 0, y: new Int32Array(count), guidance: 1 });
      for (let times = 0; times < 2; times++) {
        let known = feeds;
        for (const { stretch, leave } of stops) {
          if (stretch) known = { ...known, ...(await call(stretch, known)) };
          await call(leave, known);
        }
      }
    },
    async dispose() {
      for (const { stretch, leave } of stops) {
        await stretch?.step.dispose();
        await leave.step.dispose();
      }
    },
  };
}

/** A step of its own for every exit. */
async function wholeStops(
  engine: Engine,
  model: Model,
  exits: readonly number[],
  isGuided: boolean,
): Promise<Stop[]> {
  const [batch, frozen] = [inputsOf(model, isGuided), weightsOf(model, exits)];
  const stops: Stop[] = [];
  for (const exit of exits) {
    const step = await engine.compile(exitStep(model, exit, isGuided), { state: {}, batch, frozen });
    stops.push({ exit, leave: { step, inputs: Object.keys(batch) } });
  }
  return stops;
}

/** One pass through the deepest exit, cut at the others, so that each weight is held once. */
async function cutStops(
  engine: Engine,
  model: Model,
  exits: readonly number[],
  isGuided: boolean,
): Promise<Stop[]> {
  const frozen = weightsOf(model, exits);
  const query = inputsOf(model, isGuided);
  const { scale } = query;
  let state: CompileOptions['batch'] = {};
  let from = 0;
  const stops: Stop[] = [];
  for (const exit of exits) {
    const stretch = stretchStep(model, { from, to: exit }, isGuided);
    const taken: CompileOptions = { state: {}, batch: from === 0 ? query : state, frozen };
    state = { ...state, ...outline(stretch, taken).out };
    const left: CompileOptions = { state: {}, batch: { ...state, ...(scale && { scale }) }, frozen };
    stops.push({
      exit,
      stretch: { step: await engine.compile(stretch, taken), inputs: Object.keys(taken.batch) },
      leave: {
        step: await engine.compile(leaveStep(model, exit, isGuided), left),
        inputs: Object.keys(left.batch),
      },
    });
    from = exit;
  }
  return stops;
}

/** What whole exits would hold beyond the weights themselves, in single precision, to about a block. */
function copiedBytes({ spec, backbone }: Model, exits: readonly number[]): number {
  const parameters = Object.values(backbone).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const uses = exits.reduce((sum, exit) => sum + exit / spec.depth, 0);
  return 4 * parameters * Math.max(0, uses - 1);
}

function inputsOf({ spec }: Model, isGuided: boolean): CompileOptions['batch'] {
  return { ...queryInputs(spec), ...(isGuided && guidanceInputs(spec)) };
}

/** Of the backbone, and of the heads that are used. */
function weightsOf({ backbone, heads }: Model, exits: readonly number[]): CompileOptions['frozen'] {
  const used = Object.entries(heads).filter(([name]) =>
    exits.some((exit) => name.startsWith(`exits.${exit}.`)),
  );
  return { ...backbone, ...Object.fromEntries(used) };
}

/** @param known among others what the step takes */
async function call({ step, inputs }: Opened, known: Feeds): Promise<Feeds> {
  const feeds = Object.fromEntries(
    inputs.map((name) => {
      const given = known[name];
      if (given === undefined) throw new Error(`nothing is known as ${name}`);
      return [name, given] as const;
    }),
  );
  return Object.fromEntries(Object.entries(await step(feeds)).map(([name, { data }]) => [name, data]));
}
