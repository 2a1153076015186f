// What is compared: trained heads on a backbone of one precision.
import type { TrainConfig } from '../../../src/config/schema.js';
import type { Engine } from '../../../src/engine/engine.js';
import type { Model } from '../../../src/exits/model.js';
import type { ErrorTable } from '../../../src/schedules/errorTable.js';
import type { Schedule } from '../../../src/schedules/schedule.js';
import type { Progress } from '../../../src/training/progress.js';

export interface Side {
  readonly model: Model;
  readonly config: TrainConfig;
  readonly table: ErrorTable;
  readonly schedule: Schedule;
}

/** What all long work needs. */
export interface Context {
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}
