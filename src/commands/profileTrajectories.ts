// exithead profile --trajectories: measures how far early exits move the final sample, one call at a time and in pairs.
import { trajectoriesPath } from '../bundle/export.js';
import { guidingIn, guidingOf } from '../bundle/guiding.js';
import { openRunDenoiser } from '../bundle/runDenoiser.js';
import { diffusion } from '../diffusion/betas.js';
import { engineLine } from '../engine/engine.js';
import { requireAlike } from '../exits/guided.js';
import { remembers } from '../exits/heads.js';
import { isRemembering } from '../exits/model.js';
import { settingsOf } from '../samplers/settings.js';
import { callsOf, solverOf } from '../samplers/solvers.js';
import {
  measureTrajectories,
  pairsOf,
  trajectoryPasses,
  type TrajectoriesPlan,
} from '../schedules/measureTrajectories.js';
import { journaled } from '../schedules/journal.js';
import { measuredExits } from '../schedules/profile.js';
import { fewerSteps, scheduledTimes } from '../schedules/scheduledTimes.js';
import { writeTrajectories, type Trajectories } from '../schedules/trajectories.js';
import type { Trained } from '../training/openTrained.js';
import { showTrajectories } from './measured.js';
import type { Terminal } from './terminal.js';
import type { Call, Result } from './verb.js';
import { workOf } from './work.js';

export async function profileTrajectories(
  trained: Trained,
  call: Pick<Call, 'dryRun' | 'signal'> & Partial<Pick<Call, 'resume'>>,
  terminal: Terminal,
): Promise<Result> {
  const { run, config, backbone, heads, model } = trained;
  const { spec } = backbone;
  const { guidance, clip } = config.sample;
  const guiding = guidingOf(spec, { guidance }, config.sample);
  const { trajectories: samples, batch } = config.profile;
  if (model.plans.some(({ kind }) => remembers(kind))) requireAlike(config.sample);
  const allowed = config.schedule.exits;
  const available = measuredExits(model).filter(
    ({ exit, kind }) => kind === 'backbone' || (allowed?.includes(exit) ?? true),
  );
  const full = available.at(-1)?.macs ?? NaN;
  const noise = diffusion(config.diffusion);
  const timesteps = scheduledTimes(config);
  const solver = solverOf(config.sample);
  const plan: TrajectoriesPlan = {
    ...{ solver, timesteps, clip, diffusion: noise, seed: config.seed },
    ...{ pairs: config.profile.pairs, fewer: fewerSteps(config) },
    exits: available.slice(0, -1).map(({ exit, macs }) => ({
      ...{ exit, remembers: isRemembering(model.plans, exit), share: macs / full },
    })),
  };
  const calls = callsOf(solver, noise, timesteps);
  terminal.line(
    `${samples} trajectories of ${timesteps.length} steps of ${config.sample.solver}: ${plan.exits.length} exits at each ` +
      `of ${calls.length} calls, ${pairsOf(plan).length} pairs, ${plan.fewer.length} smaller numbers of steps`,
  );
  if (call.dryRun) {
    const passes = Math.ceil(samples * trajectoryPasses(plan));
    const macs = passes * full * (guidance === 1 ? 1 : 2);
    terminal.line(
      `the work of ${passes} passes at full depth, ${(macs / 1e12).toPrecision(3)} T multiply-adds; nothing was written`,
    );
    return { dryRun: true, samples, passes, macs };
  }
  const { engine, signal, progress } = await workOf(config, call, terminal, 'trajectories');
  terminal.line(engineLine(engine));
  const opened = available.map(({ exit }) => exit);
  const denoiser = await openRunDenoiser(trained, engine, opened);
  const path = trajectoriesPath(run);
  const head: Omit<Trajectories, 'single' | 'pairs' | 'additive' | 'steps'> = {
    ...{ format: 'exithead-trajectories', version: 1 },
    ...{ backbone: backbone.fingerprint, heads: heads.fingerprint },
    diffusionSteps: config.diffusion.steps,
    ...settingsOf(config.sample),
    ...guidingIn(guiding),
    ...{ clip, seed: config.seed, samples, timesteps: calls, exits: available },
  };
  const { frozenPrecision } = config.engine;
  const fewer = plan.fewer.map(({ steps }) => steps);
  const journal = {
    path: path.replace(/\.json$/, '.partial.json'),
    plan: { ...head, batch, diffusion: config.diffusion, pairs: plan.pairs, fewer, frozenPrecision },
    resume: call.resume ?? false,
  };
  try {
    const table = await journaled(
      journal,
      (journal) =>
        measureTrajectories({
          ...{ ...plan, samples, batch, signal, progress, journal, depth: spec.depth },
          length: spec.channels * spec.imageSize ** 2,
          classes: denoiser.prompts.count,
          begin() {
            const predict = denoiser.begin();
            // The call is not asked for here.
            return (exit, x, t, y) => predict(exit, x, t, y);
          },
        }),
      async (measured): Promise<Trajectories> => {
        const whole = { ...head, ...measured };
        await writeTrajectories(path, whole);
        return whole;
      },
    );
    showTrajectories(table, terminal);
    terminal.line(`profile of trajectories in ${path}`);
    return { trajectories: path, table };
  } finally {
    await denoiser.dispose();
  }
}
