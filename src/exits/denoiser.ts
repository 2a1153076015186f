// Exits ready to sample, each stopping at its block.
import type { CompiledStep, CompileOptions, Engine, Feeds, Step } from '../engine/engine.js';
import { sizeOf } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { outline } from '../trace/trace.js';
import { forgot, memoryInputs, residualName } from './memory.js';
import { exitInputs, exitStep, isRemembering, type Model } from './model.js';
import { promptsOf, type Prompts } from './prompts.js';
import { leaveStep, residualStep, stretchStep } from './stretches.js';

/** Samples at one time: x [B,C,H,W] flat, native t, numbers of what is asked for, guidance scale. */
export interface Request {
  readonly x: Float32Array;
  readonly t: number;
  readonly y: Int32Array;
  /** 1 is unguided, and costs half. */
  readonly guidance: number;
}

/** The steps of one batch, from noise to data. */
export interface Trajectory {
  /**
   * Prediction of exit k, [B, outChannels, H, W] flat.
   * @throws UserError if the exit remembers, and this trajectory had no full-depth step
   */
  predict(exit: number, request: Request): Promise<Float32Array>;
}

export interface Denoiser {
  /** Starts a batch: what full-depth steps leave for exits that remember belongs to it alone. */
  begin(): Trajectory;
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
  /** What full depth leaves for this exit, if it remembers; absent where exits are whole, for there exit L gives it. */
  readonly residual?: Opened;
}

/** Residuals of a full-depth step by their names, and when it was. */
interface Kept {
  readonly residuals: Feeds;
  readonly t: number;
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
  const { channels, imageSize, depth, tokens, width } = model.spec;
  const memoryFeeds = (exit: number, { residuals, t }: Kept, count: number): Feeds => ({
    residual: residuals[residualName(exit)] ?? new Float32Array(),
    tFull: new Float32Array(count).fill(t),
  });
  return {
    begin() {
      let kept: Kept | undefined;
      return {
        async predict(exit, request) {
          const asked = await queryFeeds(request);
          if (!isRemembering(model.plans, exit)) {
            const { prediction, residuals } = await pass(stops, exit, asked, depth);
            if (exit === depth) kept = { residuals, t: request.t };
            return prediction;
          }
          if (!kept) throw new UserError(`${forgot(`exit ${exit}`, depth)}.`);
          const memory = memoryFeeds(exit, kept, request.y.length);
          return (await pass(stops, exit, { ...asked, ...memory }, depth)).prediction;
        },
      };
    },
    async warmUp(count) {
      const x = new Float32Array(count * channels * imageSize ** 2);
      const asked = await queryFeeds({ x, t: 0, y: new Int32Array(count), guidance: 1 });
      const residual = new Float32Array((isGuided ? 2 : 1) * count * tokens * width);
      const feeds = { ...asked, residual, tFull: new Float32Array(count) };
      for (let times = 0; times < 2; times++) {
        let known: Feeds = feeds;
        for (const { stretch, leave, residual } of stops) {
          if (stretch) known = { ...known, ...(await call(stretch, known)) };
          await call(leave, known);
          if (residual) await call(residual, { ...known, deepest: known['hidden'] ?? new Float32Array() });
        }
      }
    },
    async dispose() {
      for (const { stretch, leave, residual } of stops)
        for (const opened of [stretch, leave, residual]) await opened?.step.dispose();
    },
  };
}

/** One pass, which ends at an exit; at exit L with the residuals of all exits that remember. */
async function pass(
  stops: readonly Stop[],
  exit: number,
  asked: Feeds,
  depth: number,
): Promise<{ readonly prediction: Float32Array; readonly residuals: Feeds }> {
  // The states that exits are to remember, as they were when the pass went by.
  const passed: { readonly residual: Opened; readonly known: Feeds }[] = [];
  let known = asked;
  for (const stop of stops) {
    if (stop.stretch && stop.exit <= exit) known = { ...known, ...(await call(stop.stretch, known)) };
    if (stop.residual && exit === depth) passed.push({ residual: stop.residual, known });
    if (stop.exit !== exit) continue;
    const { prediction, ...given } = await call(stop.leave, known);
    if (!(prediction instanceof Float32Array)) throw new Error('a prediction is made of floats');
    let residuals: Feeds = given;
    for (const { residual, known: there } of passed)
      residuals = {
        ...residuals,
        ...(await call(residual, { ...there, deepest: known['hidden'] ?? new Float32Array() })),
      };
    return { prediction, residuals };
  }
  throw new Error(`exit ${exit} was not opened`);
}

/** A step of its own for every exit. */
async function wholeStops(
  engine: Engine,
  model: Model,
  exits: readonly number[],
  isGuided: boolean,
): Promise<Stop[]> {
  const [frozen, kept] = [weightsOf(model, exits), exits.filter((exit) => isRemembering(model.plans, exit))];
  const stops: Stop[] = [];
  for (const exit of exits) {
    const batch = exitInputs(model, exit, isGuided);
    const step = exitStep(model, exit, isGuided, kept);
    stops.push({ exit, leave: await opened(engine, step, { state: {}, batch, frozen }) });
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
  const query = exitInputs({ ...model, plans: [] }, model.spec.depth, isGuided);
  const { scale } = query;
  const steer = scale && { scale };
  let state: CompileOptions['batch'] = {};
  let from = 0;
  const stops: Stop[] = [];
  for (const exit of exits) {
    const stretch = stretchStep(model, { from, to: exit }, isGuided);
    const taken: CompileOptions = { state: {}, batch: from === 0 ? query : state, frozen };
    state = { ...state, ...outline(stretch, taken).out };
    const memory = isRemembering(model.plans, exit) ? memoryInputs(model.spec, isGuided) : undefined;
    stops.push({
      exit,
      stretch: await opened(engine, stretch, taken),
      leave: await opened(engine, leaveStep(model, exit, isGuided), {
        ...{ state: {}, frozen },
        batch: { ...state, ...steer, ...memory },
      }),
      ...(memory && {
        residual: await opened(engine, residualStep(model, exit, isGuided), {
          ...{ state: {}, frozen },
          batch: { ...state, deepest: memory.residual },
        }),
      }),
    });
    from = exit;
  }
  return stops;
}

async function opened(engine: Engine, step: Step, options: CompileOptions): Promise<Opened> {
  return { step: await engine.compile(step, options), inputs: Object.keys(options.batch) };
}

/** What whole exits would hold beyond the weights themselves, in single precision, to about a block. */
function copiedBytes({ spec, backbone }: Model, exits: readonly number[]): number {
  const parameters = Object.values(backbone).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const uses = exits.reduce((sum, exit) => sum + exit / spec.depth, 0);
  return 4 * parameters * Math.max(0, uses - 1);
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
