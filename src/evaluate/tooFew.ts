// Are there enough samples to compare sets of them? Fréchet distances need many for their features, kernel distances do not.

/** A covariance of `width` numbers is known roughly from ten times as many samples. */
const perFeature = 10;
/** Below that, standard errors of all measures are themselves rough. */
const fewest = 100;

/**
 * A warning if so many samples are too few to be judged by features of that width; undefined if they are enough.
 * @param count of the smaller of the two sets that are compared
 */
export function tooFew(count: number, width: number): string | undefined {
  if (count < fewest)
    return `${count} samples are too few to judge by: distances and their standard errors are rough. Take ${fewest} or more.`;
  if (count <= width)
    return (
      `${count} samples do not fill the ${width} dimensions of their features, so Fréchet distances say little and have no ` +
      `standard error to trust. Go by kernel distances, or take ${perFeature * width} samples.`
    );
  if (count < perFeature * width)
    return (
      `${count} samples are few for features of ${width} numbers: Fréchet distances come out too large, and compare with ` +
      `those of ${count} samples alone. Go by kernel distances, which are unbiased, or take ${perFeature * width} samples.`
    );
  return undefined;
}
