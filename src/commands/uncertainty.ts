// exithead uncertainty: trains heads that say how wrong each exit is on a sample, and holds them against what is measured.
import { openData } from '../data/open.js';
import { openPrompts } from '../data/openPrompts.js';
import { diffusion } from '../diffusion/betas.js';
import { pickEngine } from '../engine/pick.js';
import { modelIn } from '../exits/precision.js';
import { calibrate } from '../schedules/calibrate.js';
import { verdictOf } from '../schedules/calibration.js';
import { calibrationPath, writeCalibration } from '../schedules/calibrationFile.js';
import { openTrained } from '../training/openTrained.js';
import {
  judgedBy,
  rehearseUncertainty,
  trainUncertainty,
  uncertaintyPath,
} from '../training/trainUncertainty.js';
import { showCalibration } from './measured.js';
import { timeBins } from '../schedules/timeBins.js';
import type { Terminal } from './terminal.js';
import { showRehearsal } from './trainingRun.js';
import { targetOf, type Call, type Result } from './verb.js';
import { workOf } from './work.js';

export default async function run(call: Call, terminal: Terminal): Promise<Result> {
  const trained = await openTrained(targetOf(call), call.set);
  const { run, config, backbone, model } = trained;
  const { spec } = backbone;
  const dataset = await openData(config.data, 'test', spec);
  if (call.dryRun) {
    const rehearsal = await rehearseUncertainty(trained, await pickEngine(config.engine));
    return showRehearsal(rehearsal, { batch: config.train.batch, steps: config.uncertainty.steps }, terminal);
  }
  const work = await workOf(config, call, terminal, 'uncertainty');
  const uncertainty = await trainUncertainty(trained, call.resume, work);
  const noise = diffusion(config.diffusion);
  const calibration = await calibrate({
    ...{ engine: work.engine, signal: work.signal, dataset, uncertainty },
    progress: terminal.progress('calibrate'),
    prompts: await openPrompts(spec, config.data.captions, 'data.captions'),
    model: await modelIn(model, config.engine.frozenPrecision),
    fingerprints: judgedBy(trained),
    diffusion: noise,
    bins: timeBins(noise, config.profile.bins),
    ...{ seed: config.seed, samples: config.uncertainty.samples, batch: config.profile.batch },
  });
  const path = calibrationPath(run.path);
  await writeCalibration(path, calibration);
  showCalibration(calibration, terminal);
  terminal.line(`uncertainty heads in ${uncertaintyPath(run)}`);
  terminal.line(`calibration in ${path}`);
  return {
    uncertainty: uncertaintyPath(run),
    calibration: path,
    verdict: verdictOf(calibration),
    table: calibration,
  };
}
