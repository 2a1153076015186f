// Which native times does a sampler with fewer steps visit? The respacing of Improved DDPM (Nichol and Dhariwal 2021)
// as DiT uses it.
import { UserError } from '../errors.js';
import { roundHalfToEven } from '../rounding.js';

/**
 * Native times in sampling order, from noise to data.
 * @param steps diffusion steps T
 * @param spacing how many to keep: `50` spreads them evenly from 0 to T-1; `ddim50` takes the smallest whole stride from 0
 *   that gives 50; `10,15,20` splits T into equal sections and spreads a count over each, the least noisy section first
 * @throws UserError if that many times do not exist
 */
export function respace(steps: number, spacing: string): number[] {
  const [, strided] = /^ddim(\d+)$/.exec(spacing) ?? [];
  const ascending = strided === undefined ? spread(steps, spacing) : stride(steps, Number(strided));
  return ascending.reverse();
}

function stride(steps: number, count: number): number[] {
  for (let step = 1; step <= steps; step++)
    if (Math.ceil(steps / step) === count) return Array.from({ length: count }, (_, i) => i * step);
  throw new UserError(
    `no whole stride takes ${count} of ${steps} diffusion steps. Choose another count, or \`${count}\` without \`ddim\`.`,
  );
}

function spread(steps: number, spacing: string): number[] {
  if (!/^\d+(,\d+)*$/.test(spacing))
    throw new UserError(
      `the spacing of sampling steps is \`${spacing}\`, expected a count (50), counts of sections (10,15,20) or a stride (ddim50).`,
    );
  const counts = spacing.split(',').map(Number);
  const size = Math.floor(steps / counts.length);
  const larger = steps % counts.length;
  let start = 0;
  return counts.flatMap((count, section) => {
    const length = section < larger ? size + 1 : size;
    const from = start;
    start += length;
    if (count < 1 || count > length)
      throw new UserError(
        `${count} sampling steps were asked of ${length} diffusion steps. Ask for 1 to ${length}.`,
      );
    const gap = count > 1 ? (length - 1) / (count - 1) : 0;
    // The sum is kept, not multiplied out: where rounding decides, it decides as in the original.
    let sum = 0;
    return Array.from({ length: count }, () => {
      const t = from + roundHalfToEven(sum);
      sum += gap;
      return t;
    });
  });
}
