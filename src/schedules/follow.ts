// Where does a trajectory end if some of its calls are answered otherwise? What full depth answered is not asked again.
import { labelsFor } from '../samplers/generate.js';
import { initialNoise, stepNoise, type Samples } from '../samplers/noise.js';
import { sample, type Denoise, type SampleOptions } from '../samplers/sampler.js';

export interface FollowOptions extends Pick<SampleOptions, 'solver' | 'diffusion' | 'timesteps' | 'clip'> {
  readonly seed: number;
  /** Numbers in one sample, C * H * W. */
  readonly length: number;
  /** Number of classes, or of captions, which take turns. */
  readonly classes: number;
}

/** Some samples, drawn at full depth. */
export interface Followed {
  /** Labels, [B] */
  readonly y: Int32Array;
  /** By call: where it was asked, [B, C, H, W], and what full depth answered. */
  readonly asked: readonly { readonly x: Float32Array; readonly t: number; readonly answer: Float32Array }[];
  /** [B, C, H, W] */
  readonly final: Float32Array;
  /** Where the same samples end, with the same noise, if calls from `first` on are answered by `answer`. */
  goOn(first: number, answer: Denoise): Promise<Float32Array>;
}

/** @param full what the whole backbone predicts, of samples with labels y */
export async function followed(
  options: FollowOptions,
  { from, count }: Pick<Samples, 'from' | 'count'>,
  full: (x: Float32Array, t: number, y: Int32Array, call: number) => Promise<Float32Array>,
): Promise<Followed> {
  const { seed, length, classes } = options;
  const samples = { from, count, length };
  const [y, start, fresh] = [
    labelsFor(from, count, classes),
    initialNoise(seed, samples),
    stepNoise(seed, samples),
  ];
  // A solver takes every trajectory from its start, for it may look back at what came before.
  const draw = (answer: Denoise): Promise<Float32Array> =>
    sample({ ...options, count, noise: fresh }, start, answer);
  const asked: Followed['asked'][number][] = [];
  const final = await draw(async (x, t, call) => {
    const answer = (await full(x, t, y, call)).slice();
    asked.push({ x, t, answer });
    return answer;
  });
  return {
    ...{ y, asked, final },
    goOn: (first, answer) =>
      draw((x, t, call) => {
        const known = call < first ? asked[call]?.answer : undefined;
        return known ? Promise.resolve(known) : answer(x, t, call);
      }),
  };
}

/** Mean over the elements of sample i. @param value of element j of all samples */
export function meanSquare(i: number, length: number, value: (j: number) => number): number {
  let sum = 0;
  for (let j = i * length; j < (i + 1) * length; j++) sum += value(j) ** 2;
  return sum / length;
}

/** Mean square of how far each sample is from where it ended at full depth. */
export function driftsOf(moved: Float32Array, { final, y }: Pick<Followed, 'final' | 'y'>): number[] {
  return Array.from(y, (_, i) =>
    meanSquare(i, final.length / y.length, (j) => (moved[j] ?? NaN) - (final[j] ?? NaN)),
  );
}

/** What one prediction is off from another, without the variance, [count, length]. */
export function minus(early: Float32Array, full: Float32Array, count: number, length: number): Float32Array {
  const each = full.length / count;
  return Float32Array.from({ length: count * length }, (_, j) => {
    const at = Math.floor(j / length) * each + (j % length);
    return (early[at] ?? NaN) - (full[at] ?? NaN);
  });
}
