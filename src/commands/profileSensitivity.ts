// exithead profile --sensitivity: measures how far a mistake at each step of a solver moves the final sample.
import { sensitivityPath } from '../bundle/export.js';
import { guidingIn, guidingOf } from '../bundle/guiding.js';
import { openRunDenoiser } from '../bundle/runDenoiser.js';
import { diffusion } from '../diffusion/betas.js';
import { engineLine } from '../engine/engine.js';
import { remembers } from '../exits/heads.js';
import type { DenoiseLabelled } from '../samplers/generate.js';
import { settingsOf } from '../samplers/settings.js';
import { callsOf, solverOf } from '../samplers/solvers.js';
import { measureSensitivity, sensitivityPasses } from '../schedules/measureSensitivity.js';
import { journaled } from '../schedules/journal.js';
import { writeSensitivity, type Sensitivity } from '../schedules/sensitivity.js';
import { measuredExits } from '../schedules/profile.js';
import { scheduledTimes } from '../schedules/scheduledTimes.js';
import type { Trained } from '../training/openTrained.js';
import { showSensitivity } from './measured.js';
import type { Terminal } from './terminal.js';
import type { Call, Result } from './verb.js';
import { workOf } from './work.js';

/** Of the noise added to predictions: far above rounding, far below what an untrained exit is off by. */
const deviation = 0.03;

export async function profileSensitivity(
  trained: Trained,
  call: Pick<Call, 'dryRun' | 'signal'> & Partial<Pick<Call, 'resume'>>,
  terminal: Terminal,
): Promise<Result> {
  const { run, config, backbone, heads, model } = trained;
  const { spec } = backbone;
  const { guidance, clip } = config.sample;
  const guiding = guidingOf(spec, { guidance }, config.sample);
  const { trajectories: samples, batch } = config.profile;
  const timesteps = scheduledTimes(config);
  const solver = solverOf(config.sample);
  // Of an exit that remembers, the mistake depends on what came before; the one in the middle speaks for the others.
  const mistaken = model.plans.filter(({ kind }) => !remembers(kind));
  const exit = mistaken[Math.floor(mistaken.length / 2)]?.exit;
  if (call.dryRun) {
    const calls = callsOf(solver, diffusion(config.diffusion), timesteps).length;
    const passes = samples * sensitivityPasses(calls, exit === undefined ? 1 : 2);
    const macs = passes * (measuredExits(model).at(-1)?.macs ?? NaN) * (guidance === 1 ? 1 : 2);
    terminal.line(
      `${samples} trajectories of ${timesteps.length} steps of ${config.sample.solver}, a mistake at each step`,
    );
    terminal.line(`${passes} passes, ${(macs / 1e12).toPrecision(3)} T multiply-adds; nothing was written`);
    return { dryRun: true, samples, passes, macs };
  }
  const { engine, signal, progress } = await workOf(config, call, terminal, 'sensitivity');
  terminal.line(engineLine(engine));
  const exits = [...(exit === undefined ? [] : [exit]), spec.depth];
  const denoiser = await openRunDenoiser(trained, engine, exits);
  const path = sensitivityPath(run);
  const head: Omit<Sensitivity, 'noise' | 'exit'> = {
    ...{ format: 'exithead-sensitivity', version: 1 },
    ...{ backbone: backbone.fingerprint, heads: heads.fingerprint, steps: config.diffusion.steps },
    ...settingsOf(config.sample),
    ...guidingIn(guiding),
    ...{ timesteps, clip, samples, deviation },
  };
  const { frozenPrecision } = config.engine;
  const journal = {
    path: path.replace(/\.json$/, '.partial.json'),
    plan: { ...head, batch, diffusion: config.diffusion, seed: config.seed, exit, frozenPrecision },
    resume: call.resume ?? false,
  };
  try {
    const table = await journaled(
      journal,
      (journal) =>
        measureSensitivity({
          ...{ solver, timesteps, clip, samples, batch, deviation, signal, progress, journal },
          diffusion: diffusion(config.diffusion),
          seed: config.seed,
          length: spec.channels * spec.imageSize ** 2,
          classes: denoiser.prompts.count,
          begin() {
            const predict = denoiser.begin();
            const at =
              (k: number): DenoiseLabelled =>
              (x, t, y) =>
                predict(k, x, t, y);
            return { full: at(spec.depth), exit: exit === undefined ? undefined : at(exit) };
          },
        }),
      async (measured): Promise<Sensitivity> => {
        const whole = {
          ...{ ...head, noise: measured.noise },
          exit: exit === undefined || !measured.exit ? null : { exit, ...measured.exit },
        };
        await writeSensitivity(path, whole);
        return whole;
      },
    );
    showSensitivity(table, terminal);
    terminal.line(`sensitivities in ${path}`);
    terminal.line(`next: exithead schedule ${run.path} --set schedule.weights=sensitivity`);
    return { sensitivity: path, table };
  } finally {
    await denoiser.dispose();
  }
}
