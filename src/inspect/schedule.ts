// What does a schedule run when, and does it fit the heads beside it?
import { readSchedule, stretchesOf, type Schedule, type Stretch } from '../schedules/schedule.js';
import { bytesAt } from './bytes.js';
import { fitProblems, fitsOf, type Fit } from './fit.js';

export interface ScheduleFacts {
  readonly kind: 'schedule';
  readonly path: string;
  readonly bytes: number;
  readonly schedule: Schedule;
  readonly stretches: readonly Stretch[];
  readonly fits: readonly Fit[];
  readonly problems: readonly string[];
}

export async function scheduleFacts(path: string, given: string | undefined): Promise<ScheduleFacts> {
  const schedule = await readSchedule(path);
  const fits = await fitsOf(path, schedule, given);
  return {
    kind: 'schedule',
    path,
    bytes: await bytesAt(path),
    ...{ schedule, stretches: stretchesOf(schedule), fits },
    problems: fitProblems(path, fits),
  };
}
