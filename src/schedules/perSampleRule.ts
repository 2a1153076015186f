// What does leaving per sample cost, and what does it lose? Every sample leaves at the first exit whose uncertainty lies
// below a threshold; whatever says the uncertainty, the rule is the same.

/** Samples at all exits with a head, each list by exit and sample. */
export interface Judgement {
  /** Uncertainty: of heads, of a constant per cell, or the excess itself. */
  readonly uncertainty: readonly (readonly number[])[];
  /** What leaving there loses. */
  readonly loss: readonly (readonly number[])[];
  /** Multiply-adds of leaving there over those of full depth, ascending; the last is full depth, which loses nothing. */
  readonly depths: readonly number[];
}

export interface RuleAt {
  /** In the units of the uncertainty. */
  readonly threshold: number;
  /** Mean over the samples. */
  readonly depthUsed: number;
  /** Mean over the samples. */
  readonly loss: number;
}

/** What comes of one threshold. */
export function ruleAt({ uncertainty, loss, depths }: Judgement, threshold: number): RuleAt {
  const count = uncertainty[0]?.length ?? 0;
  let [depth, lost] = [0, 0];
  for (let i = 0; i < count; i++) {
    const k = uncertainty.findIndex((of) => (of[i] ?? NaN) < threshold);
    depth += (k < 0 ? depths.at(-1) : depths[k]) ?? NaN;
    lost += k < 0 ? 0 : (loss[k]?.[i] ?? NaN);
  }
  return { threshold, depthUsed: depth / count, loss: lost / count };
}

/** From full depth, threshold 0, to the first exit: quantiles of all that is said, none twice. */
export function rules(judgement: Judgement, count: number): RuleAt[] {
  const said = judgement.uncertainty.flat().sort((a, b) => a - b);
  const thresholds = Array.from(
    { length: count },
    (_, i) => said[Math.floor((i * (said.length - 1)) / Math.max(1, count - 1))] ?? 0,
  );
  const last = (said.at(-1) ?? 0) * 1.001;
  return [...new Set([0, ...thresholds, last])].map((threshold) => ruleAt(judgement, threshold));
}

/**
 * The smallest threshold whose depth used is at most `budget`, halving the range 60 times.
 * @returns undefined if even the first exit uses more
 */
export function ruleWithin(judgement: Judgement, budget: number): RuleAt | undefined {
  const most = 1.001 * judgement.uncertainty.flat().reduce((a, b) => Math.max(a, b), 0);
  let [low, high] = [0, most];
  if (ruleAt(judgement, low).depthUsed <= budget) return ruleAt(judgement, low);
  if (ruleAt(judgement, high).depthUsed > budget) return undefined;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (ruleAt(judgement, middle).depthUsed <= budget) high = middle;
    else low = middle;
  }
  return ruleAt(judgement, high);
}
