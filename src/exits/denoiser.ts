// Exits ready to sample: one compiled step per exit, each stopping at its block.
import type { CompiledStep, Engine } from '../engine/engine.js';
import { exitStep, queryInputs, type Model } from './model.js';
import { guidanceInputs, promptsOf, type Prompts } from './prompts.js';

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
  /** Runs every exit twice on noise-free zeros: the first two calls of a compiled step also allocate its memory. */
  warmUp(count: number): Promise<void>;
  dispose(): Promise<void>;
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
  const steps = new Map<number, CompiledStep>();
  const batch = { ...queryInputs(model.spec), ...(isGuided && guidanceInputs(model.spec)) };
  const used = new Set(exits);
  const frozenUses = [...used].reduce((sum, exit) => sum + exit / model.spec.depth, 0);
  for (const exit of used) {
    const heads = Object.entries(model.heads).filter(([name]) => name.startsWith(`exits.${exit}.`));
    const frozen = { ...model.backbone, ...Object.fromEntries(heads) };
    const step = exitStep(model, exit, isGuided);
    steps.set(exit, await engine.compile(step, { state: {}, batch, frozen, frozenUses }));
  }
  const predict: Denoiser['predict'] = async (exit, { x, t, y, guidance }) => {
    const step = steps.get(exit);
    if (!step) throw new Error(`exit ${exit} was not opened`);
    const { prediction } = await step({
      ...{ x, t: new Float32Array(y.length).fill(t) },
      ...(await prompts.feeds(y)),
      ...(isGuided && (await prompts.guidanceFeeds(guidance))),
    });
    if (!(prediction?.data instanceof Float32Array)) throw new Error('a prediction is made of floats');
    return prediction.data;
  };
  const { channels, imageSize } = model.spec;
  return {
    predict,
    warmUp: async (count) => {
      const x = new Float32Array(count * channels * imageSize ** 2);
      for (const exit of [...steps.keys(), ...steps.keys()])
        await predict(exit, { x, t: 0, y: new Int32Array(count), guidance: 1 });
    },
    dispose: async () => {
      for (const step of steps.values()) await step.dispose();
    },
  };
}
