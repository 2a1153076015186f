// Which plots does a report show, and how does one read them? Each with a few plain words.
import type { ErrorTable } from '../schedules/errorTable.js';
import { verdictOf, type Calibration } from '../schedules/calibration.js';
import type { Schedule } from '../schedules/schedule.js';
import type { MetricsLine } from '../training/metrics.js';
import { calibrationPlot } from './plots/calibration.js';
import { errorHeatMap } from './plots/errorHeatMap.js';
import { frontierPlot, type Frontier } from './plots/frontier.js';
import { scheduleSteps } from './plots/scheduleSteps.js';
import { trainingCurves } from './plots/trainingCurves.js';
import type { PlotWidth } from './plots/draw.js';

/** What plots are made from; what is missing is not shown. */
export interface Measured {
  readonly schedule?: Schedule;
  readonly frontier?: Frontier;
  readonly errorTable?: ErrorTable;
  readonly calibration?: Calibration;
  readonly training?: readonly MetricsLine[];
}

/** A plot with its words. */
export interface Figure {
  readonly title: string;
  /** SVG text, in both widths. */
  readonly wide: string;
  readonly narrow: string;
  /** How to read it. */
  readonly reading: string;
}

type Drawing = (width: PlotWidth) => string | undefined;

/** In the order of a report: what is done, what it costs, why, and how the heads came about. */
export function figuresOf({ schedule, frontier, errorTable, calibration, training }: Measured): Figure[] {
  return [
    ...(schedule
      ? figure('Which exit each step runs', (width) => scheduleSteps(schedule, width), scheduleReading)
      : []),
    ...(frontier
      ? figure('What speed costs', (width) => frontierPlot(frontier, schedule, width), frontierReading)
      : []),
    ...(errorTable
      ? figure('Where leaving early hurts', (width) => errorHeatMap(errorTable, width), errorReading)
      : []),
    ...(calibration
      ? figure(
          'Whether uncertainty heads are right',
          (width) => calibrationPlot(calibration, width),
          calibrationReading(calibration),
        )
      : []),
    ...(training ? figure('Training', (width) => trainingCurves(training, width), trainingReading) : []),
  ];
}

const scheduleReading =
  'Sampling goes from left to right: from pure noise to the finished image. Each bar is one step, and its height is the ' +
  'number of blocks that the step runs. What is empty up to the solid line is work saved. The dashed line is the depth ' +
  'used: all multiply-adds, those of the heads included, over those of full depth, so it can lie a little above the mean bar.';

const frontierReading =
  'Further right is faster, further down is closer to what the whole backbone would have predicted. Excess is the mean ' +
  'squared difference from the full-depth prediction, added up over the sampling steps. Each mark is a schedule. Where the ' +
  'round marks lie below the diamonds, choosing the exit by time beats one exit for all steps at the same speed. A ' +
  'schedule that runs every block has no excess and lies below the axis.';

const errorReading =
  'A row is an exit, the whole backbone on top; a column is a stretch of time, noise on the left and data on the right. ' +
  'The colour says how far that exit is from the full-depth prediction there; one step of the same size along the colour ' +
  'bar is always the same factor. Calm colours are places where the remaining blocks change little, and a schedule leaves ' +
  'early there. Blank cells have no excess; a cell with a cross was not measured.';

const calibrationReading = (calibration: Calibration): string =>
  'Held-out samples of each exit in tenths, by the error that its uncertainty head predicts; light lines are shallow exits. On ' +
  `the dashed line prediction and measurement agree. In these numbers, ${verdictOf(calibration)}.`;

const trainingReading =
  'Losses fall towards the right as the model learns; equal distances up the axis are equal factors. Where every exit has a ' +
  'line, shallow ones tend to end higher, since they have less to work with. Lines that are flat at the end say that more ' +
  'steps would gain little.';

function figure(title: string, drawing: Drawing, reading: string): Figure[] {
  const [wide, narrow] = [drawing('wide'), drawing('narrow')];
  return wide === undefined || narrow === undefined ? [] : [{ title, wide, narrow, reading }];
}
