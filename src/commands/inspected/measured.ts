// What does the user see of what was measured, and of what judges?
import type { FeaturesFacts } from '../../inspect/features.js';
import type {
  CalibrationFacts,
  ErrorPartFacts,
  EvaluationFacts,
  SensitivityFacts,
  TrajectoriesFacts,
  FrontFacts,
} from '../../inspect/measured.js';
import {
  showCalibration,
  showEvaluation,
  showFront,
  showSensitivity,
  showTrajectories,
} from '../measured.js';
import type { Terminal } from '../terminal.js';
import { showFits } from './made.js';
import { counted, sized, whole } from './numbers.js';

export function showEvaluationFacts(facts: EvaluationFacts, terminal: Terminal): void {
  const { path, table } = facts;
  const { rows, sampling, engine } = table;
  const { samples, solver, guidance } = sampling;
  const seeds = rows[0]?.seeds.length ?? 0;
  terminal.line(
    `${path} is an evaluation: ${counted(rows.length, 'way')} to sample, each ${whole(samples)} images with ` +
      counted(seeds, 'seed'),
  );
  showOrigin(facts, terminal);
  terminal.line(`${solver}, guidance ${guidance}, on ${engine.kind} (${engine.device})`);
  showEvaluation(table, terminal);
}

export function showSensitivityFacts(facts: SensitivityFacts, terminal: Terminal): void {
  const { path, table } = facts;
  const { timesteps, samples, solver, guidance } = table;
  terminal.line(
    `${path} holds sensitivities at ${counted(timesteps.length, 'step')} of ${solver}, guidance ${guidance}, ` +
      `from ${whole(samples)} trajectories`,
  );
  showOrigin(facts, terminal);
  showSensitivity(table, terminal);
}

export function showTrajectoriesFacts(facts: TrajectoriesFacts, terminal: Terminal): void {
  const { path, table } = facts;
  const { timesteps, samples, solver, guidance } = table;
  terminal.line(
    `${path} says how far exits move the final sample at ${counted(timesteps.length, 'call')} of ${solver}, guidance ` +
      `${guidance}, from ${whole(samples)} trajectories`,
  );
  showOrigin(facts, terminal);
  showTrajectories(table, terminal);
}

export function showErrorPartFacts(facts: ErrorPartFacts, terminal: Terminal): void {
  const { path, table } = facts;
  const { shard, drawn, batches, done, exits } = table;
  terminal.line(
    `${path} is part ${shard.index} of ${shard.of} of an error table of ${counted(exits.length, 'exit')}, ` +
      `${done ? 'finished' : 'not finished'}; batches of ${whole(drawn.batch)} samples measured: ${whole(batches)}`,
  );
  showOrigin(facts, terminal);
}

export function showFrontFacts(facts: FrontFacts, terminal: Terminal): void {
  const { path, table } = facts;
  terminal.line(
    `${path} is a front of ${counted(table.front.length, 'schedule')}, and ${counted(table.baselines.length, 'baseline')}; speed-ups are of ${table.cost}`,
  );
  showOrigin(facts, terminal);
  showFront(table.front, terminal);
}

export function showCalibrationFacts(facts: CalibrationFacts, terminal: Terminal): void {
  const { path, table } = facts;
  const { samples, exits, form } = table;
  terminal.line(
    `${path} is a calibration of uncertainty heads (${form}) at ${counted(exits.length, 'exit')}, ` +
      `on ${whole(samples)} samples`,
  );
  showOrigin(facts, terminal);
  showCalibration(table, terminal);
}

export function showFeatures({ path, bytes, description, network }: FeaturesFacts, terminal: Terminal): void {
  const { input, resize, features, decision } = description;
  terminal.line(`${path} says how ${network} sees images`);
  terminal.line(`why: its format says so, and all in it is sound; ${sized(bytes)}`);
  terminal.line(
    `input ${input.name}: ${input.size} x ${input.size}, ${input.channels}, ${input.layout}; ` +
      (resize === 'none' ? 'images of another size are refused' : `others are resized (${resize})`),
  );
  terminal.line(
    `features ${features}; ${decision ? `decides by ${decision.output} (${decision.holds})` : 'decides nothing, so there are no Inception Scores'}`,
  );
}

function showOrigin(
  {
    bytes,
    table,
    fits,
  }: EvaluationFacts | SensitivityFacts | TrajectoriesFacts | FrontFacts | CalibrationFacts | ErrorPartFacts,
  terminal: Terminal,
): void {
  terminal.line(`why: its format is ${table.format}, and all in it is sound; ${sized(bytes)}`);
  terminal.line(`made for the backbone ${table.backbone}`);
  terminal.line(`and the heads ${table.heads}`);
  showFits(fits, terminal);
}
