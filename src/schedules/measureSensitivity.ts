// How are sensitivities measured? By making a mistake at every step of real trajectories, one at a time.
import { levelAt } from '../diffusion/levels.js';
import { nearestTo } from '../diffusion/spacing.js';
import { Interrupted } from '../errors.js';
import { noJournal, type Entry, type Journal } from './journal.js';
import { stream } from '../random.js';
import type { DenoiseLabelled } from '../samplers/generate.js';
import { callsOf } from '../samplers/solvers.js';
import { epsilonPer } from '../diffusion/prediction.js';
import type { Progress } from '../training/progress.js';
import { driftsOf, followed, meanSquare, minus, type Followed, type FollowOptions } from './follow.js';
import { ratio, type Ratio } from './ratio.js';
import type { MeasuredSensitivity } from './sensitivity.js';

/** What predicts in one batch. */
export interface Predictors {
  readonly full: DenoiseLabelled;
  /** An early exit, whose difference from full depth is a mistake to follow. */
  readonly exit?: DenoiseLabelled | undefined;
}

/** Sensitivities are to mistakes in epsilon, whatever the diffusion says is predicted. */
export interface SensitivityOptions extends FollowOptions {
  /** Trajectories, at least 2. */
  readonly samples: number;
  readonly batch: number;
  /** Of the noise that is added to predictions. */
  readonly deviation: number;
  begin(): Predictors;
  /** Recalls what was measured before; nothing unless given. */
  readonly journal?: Journal;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Passes of the whole backbone that a measurement takes for each sample. @param calls of the solver */
export function sensitivityPasses(calls: number, kinds: number): number {
  return calls + (kinds * calls * (calls - 1)) / 2;
}

/**
 * S_i = E|x' - x|^2 / E|d_i|^2: x is the final sample at full depth throughout, x' the one whose prediction was wrong by
 * d_i at step i and at no other. For small mistakes that do not know of each other, sum_i S_i |d_i|^2 is how far a
 * schedule moves the sample, squared. Once d is white noise, once what an exit is off by at the same x. Channels of a
 * learned variance stay as they are; means are over elements. Where a solver asks several times in a step, a mistake is
 * made at each call, and S_i is the sum over the calls whose nearest timestep is i.
 * @throws Interrupted after the signal; the journal alone keeps what was measured
 */
export async function measureSensitivity(
  options: SensitivityOptions,
): Promise<{ readonly noise: MeasuredSensitivity; readonly exit: MeasuredSensitivity | undefined }> {
  const { timesteps, samples, length, diffusion, signal, progress, journal = noJournal } = options;
  const calls = callsOf(options.solver, diffusion, timesteps);
  const ratios = (): Ratio[] => calls.map(() => ratio());
  const [noise, exit] = [ratios(), ratios()];
  let isExitMeasured = false;
  try {
    for (let from = 0; from < samples; from += options.batch) {
      const count = Math.min(options.batch, samples - from);
      const predictors = options.begin();
      // Not drawn again where all that begins from it is recalled.
      let known: Promise<Followed> | undefined;
      const trajectory = (): Promise<Followed> =>
        (known ??= followed(options, { from, count }, predictors.full));
      /** How far each sample ends from full depth, and how large its mistake was. */
      const follow = async (call: number, mistake: Float32Array): Promise<Entry> => {
        const full = await trajectory();
        const [t, truth] = [calls[call], full.asked[call]?.answer];
        if (t === undefined || !truth) throw new Error(`call ${call} was not seen`);
        const wrong = plus(truth, mistake, count);
        const moved = await full.goOn(call, (x, t, at) =>
          at === call ? Promise.resolve(wrong) : predictors.full(x, t, full.y, at),
        );
        const scale = epsilonPer(diffusion.prediction, levelAt(diffusion, t).alpha);
        const squares = Array.from(full.y, (_, i) => scale * meanSquare(i, length, (j) => mistake[j] ?? NaN));
        return [driftsOf(moved, full), squares];
      };
      const add = (into: Ratio | undefined, [drifts = [], squares = []]: Entry): void =>
        drifts.forEach((drift, i) => into?.add(drift, squares[i] ?? NaN));
      for (const [call, t] of calls.entries()) {
        if (signal.aborted) throw new Interrupted(`stopped after ${from} of ${samples} samples.`);
        add(noise[call], await journal.next(() => follow(call, whiteNoise(options, call, from, count))));
        const { exit: early } = predictors;
        if (early) {
          const found = await journal.next(async () => {
            const { asked, y } = await trajectory();
            const { x, answer } = asked[call] ?? { x: new Float32Array(), answer: new Float32Array() };
            return follow(call, minus(await early(x, t, y, call), answer, count, length));
          });
          add(exit[call], found);
          isExitMeasured = true;
        }
        progress.update(from * calls.length + (call + 1) * count, samples * calls.length, {});
      }
    }
  } finally {
    progress.end();
  }
  const nearest = calls.map((t) => nearestTo(timesteps, t));
  const ofSteps = (ratios: readonly Ratio[]): MeasuredSensitivity =>
    measuredOf(timesteps.map((_, step) => ratios.filter((_, call) => nearest[call] === step)));
  return { noise: ofSteps(noise), exit: isExitMeasured ? ofSteps(exit) : undefined };
}

/** [count, length], each sample with its own. */
function whiteNoise(
  { seed, deviation, length }: SensitivityOptions,
  step: number,
  from: number,
  count: number,
): Float32Array {
  const out = new Float32Array(count * length);
  for (let i = 0; i < count; i++)
    out.set(stream(seed, `mistake at step ${step}`, from + i).normals(length), i * length);
  return out.map((value) => deviation * value);
}

/** A prediction with a mistake in what is not its variance. @param prediction [count, length] or [count, 2 length] */
function plus(prediction: Float32Array, mistake: Float32Array, count: number): Float32Array {
  const [each, length] = [prediction.length / count, mistake.length / count];
  return prediction.map((value, j) =>
    j % each < length ? value + (mistake[Math.floor(j / each) * length + (j % each)] ?? NaN) : value,
  );
}

/** Of the calls of each step; standard errors add up where they may be alike. */
function measuredOf(steps: readonly (readonly Ratio[])[]): MeasuredSensitivity {
  const sum = (ratios: readonly Ratio[], of: (ratio: Ratio) => number): number =>
    ratios.reduce((total, one) => total + of(one), 0);
  return {
    value: steps.map((ratios) => sum(ratios, (one) => one.value())),
    standardError: steps.map((ratios) => sum(ratios, (one) => one.standardError())),
  };
}
