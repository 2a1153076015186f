// Which ticks does a logarithmic axis show? Powers of ten, and 2 and 5 between them where there are few.

/** Lowest and highest of the positive values, set apart where they are one; none if no value is positive. */
export function logDomain(values: readonly number[]): [number, number] | undefined {
  let [low, high] = [Infinity, 0];
  for (const value of values) {
    if (!(value > 0 && value < Infinity)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high === 0) return undefined;
  return low < high ? [low, high] : [low / 2, high * 2];
}

/** Where a value lies between the ends, by its logarithm: 0 to 1. */
export function logShare([low, high]: readonly [number, number], value: number): number {
  return Math.log(value / low) / Math.log(high / low);
}

/** At most about `most` ticks within the domain. */
export function logTicks([low, high]: readonly [number, number], most: number): number[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const inside = (ticks: readonly number[]): number[] => ticks.filter((tick) => tick >= low && tick <= high);
  for (const steps of [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]]) {
    const ticks = inside(powers.flatMap((power) => steps.map((step) => Number(`${step}e${power}`))));
    if (ticks.length <= most) return ticks;
  }
  const stride = Math.ceil(powers.length / most);
  return inside(powers.filter((power) => power % stride === 0).map((power) => Number(`1e${power}`)));
}

/** 0.02, 5, 10⁻⁴, 3×10⁶. */
export function logTick(value: number): string {
  if (value >= 0.001 && value < 10_000) return String(value);
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const raised = `10${superscript(Number(power))}`;
  return mantissa === '1' ? raised : `${mantissa}×${raised}`;
}

function superscript(power: number): string {
  return String(power).replaceAll(/[-\d]/g, (sign) =>
    sign === '-' ? '⁻' : ('⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(sign)] ?? ''),
  );
}
