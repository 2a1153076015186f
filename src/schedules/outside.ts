// Where does a sampler leave what was measured for its schedule? Other times, and memories that are older.
import { remembering } from './errorTable.js';
import { agesOf, type Schedule } from './schedule.js';

/** What a sampler runs. */
export interface Calls {
  /** Native t of each call of the solver. */
  readonly calls: readonly number[];
  /** Exit of each call. */
  readonly exits: readonly number[];
}

/** Warnings, in words; none where a schedule is sampled as it was made. */
export function outsideProfile(schedule: Schedule, { calls, exits }: Calls): string[] {
  const { timesteps, available, profiled } = schedule;
  if (!profiled) return [];
  const [first = NaN, last = NaN] = [timesteps[0], timesteps.at(-1)];
  const depth = available.at(-1)?.exit ?? NaN;
  const isMemory = (exit: number | undefined): boolean =>
    remembering(available).some((at) => at.exit === exit);
  const ages = agesOf({ timesteps: calls, exits }, depth).filter((_, i) => isMemory(exits[i]));
  const oldest = Math.max(0, ...ages.map((age) => age ?? 0));
  const beyond = calls.filter((t) => t > first || t < last);
  const others = calls.filter((t) => !timesteps.includes(t));
  const { oldestMemory = Infinity, timestepsOnly } = profiled;
  return [
    ...(beyond.length > 0
      ? [
          `the schedule was made for native t ${first} to ${last}, and ${beyond.length} of ${calls.length} calls lie outside: ` +
            'they run the exit of the nearest end.',
        ]
      : []),
    ...(timestepsOnly && others.length > 0
      ? [
          `exits were measured at the ${timesteps.length} steps of the schedule alone, and ${others.length} of ${calls.length} ` +
            'calls are at other times: what they lose is not known. Profile with profile.binning=native to sample freely.',
        ]
      : []),
    ...(oldest > oldestMemory
      ? [
          `memories become up to ${Math.round(oldest)} native t old, and were measured up to ${Math.round(oldestMemory)}: what ` +
            `older ones lose is not known. Solve for ${calls.length} steps, or raise heads.memory.every and train again.`,
        ]
      : []),
  ];
}
