// AdamW written a second time, in plain double precision, for the tests to compare with.

export interface Adam {
  w: number[];
  m: number[];
  v: number[];
  step: number;
}

/** One step on the gradients `g`; formulas as in the documentation of torch.optim.AdamW and clip_grad_norm_. */
export function referenceAdamw(
  { w, m, v, step }: Adam,
  g: readonly number[],
  o: { lr: number; beta1: number; beta2: number; eps: number; weightDecay: number; clip: number },
): Adam & { norm: number } {
  const norm = Math.sqrt(g.reduce((sum, x) => sum + x * x, 0));
  const scale = o.clip > 0 ? Math.min(1, o.clip / (norm + 1e-6)) : 1;
  const t = step + 1;
  const next: Adam = { w: [], m: [], v: [], step: t };
  g.forEach((raw, i) => {
    const x = raw * scale;
    const mi = o.beta1 * m[i]! + (1 - o.beta1) * x;
    const vi = o.beta2 * v[i]! + (1 - o.beta2) * x * x;
    const decayed = w[i]! - o.lr * o.weightDecay * w[i]!;
    const mHat = mi / (1 - o.beta1 ** t);
    const vHat = vi / (1 - o.beta2 ** t);
    next.w.push(decayed - (o.lr * mHat) / (Math.sqrt(vHat) + o.eps));
    next.m.push(mi);
    next.v.push(vi);
  });
  return { ...next, norm };
}
