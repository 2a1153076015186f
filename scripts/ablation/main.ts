// Which heads draw best for what they cost? npm run ablation: trains, draws and judges what is not in docs/ablation.json
// yet, and writes docs/results.md. Hours on two cores; stop it whenever you like, it goes on where it was.
import { join } from 'node:path';
import { main } from '../../src/commands/main.js';
import { duration } from '../../src/commands/progress.js';
import { verb } from '../../src/commands/verb.js';
import { workOf } from '../../src/commands/work.js';
import { processWorld } from '../../src/commands/world.js';
import { loadConfig } from '../../src/config/load.js';
import type { Work } from '../../src/training/fit.js';
import { countOf } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { openData } from '../../src/data/open.js';
import { openDigits } from '../../src/evaluate/digits.js';
import { configPath, countsFor, prepare } from './heads.js';
import { ranked, stages, trialName, variants, type Trial, type Variant } from './plan.js';
import { writeResults } from './page.js';
import { rank } from './ranking.js';
import { addFinding, addRanking, readFound } from './results.js';
import { courtOf, tryHeads } from './trial.js';
import type { StepCount } from '../../src/schedules/overSteps.js';

const ablation = verb({
  examples: [
    ['npm run ablation', 'all that is not measured yet, then the tables'],
    ['npm run ablation -- --stage screening', 'every variant, roughly'],
    ['npm run ablation -- --stage ranking', 'whether predictions rank schedules as samples do'],
    ['npm run ablation -- --only block,memory', 'these variants alone'],
    ['npm run ablation -- --stage tables', 'write docs/results.md from what was measured'],
    ['npm run ablation -- --dry-run', 'say what is left to do'],
  ],
  common: ['set', 'out', 'engine', 'dry-run'],
  configKind: 'train',
  options: {
    stage: {
      type: 'string',
      meaning: 'screening, finals, ranking or tables; all unless given',
      choices: ['screening', 'finals', 'ranking', 'tables'],
    },
    only: { type: 'string', meaning: 'names of variants, with commas between them' },
    again: { type: 'boolean', meaning: 'measure even what was measured' },
  },
  async run(call, terminal) {
    const { stage, only, again } = call.options;
    const root = call.out ?? 'runs/ablation';
    const wanted = chosen(only);
    const { config } = await loadConfig(configPath, { kind: 'train', set: call.set });
    const found = await readFound();
    /** Work that is not done yet, each with its name. */
    const jobs: {
      readonly name: string;
      readonly variant: Variant;
      readonly run: (work: Work) => Promise<void>;
    }[] = [];
    for (const { name, trials, names } of stages)
      for (const variant of wanted.filter((one) => names.includes(one.name)))
        for (const trial of trials) {
          const label = trialName(trial);
          const isKnown = found.findings.some((one) => one.trial === label && one.variant === variant.name);
          if ((stage !== undefined && stage !== name) || (isKnown && !again)) continue;
          jobs.push({
            name: `${name}: ${variant.name}, ${label}`,
            variant,
            // What screening has shown to be worse is not drawn again.
            run: (work) => judged(name === 'screening' ? variant : { ...variant, also: [] }, trial, work),
          });
        }
    for (const variant of wanted.filter(({ name }) => ranked.names.some((one) => one === name))) {
      const isKnown = found.rankings.some((one) => one.variant === variant.name);
      if ((stage !== undefined && stage !== 'ranking') || (isKnown && !again)) continue;
      jobs.push({ name: `ranking: ${variant.name}`, variant, run: (work) => rankedOf(variant, work) });
    }
    for (const { name, variant, run } of jobs) {
      terminal.line(name);
      if (call.dryRun) continue;
      const begun = Date.now();
      await run(await workOf(config, call, terminal, variant.name));
      terminal.line(`${variant.name}: done in ${duration(Date.now() - begun)}`);
    }
    if (!call.dryRun) await writeResults();
    return { measured: jobs.length };

    async function judged(variant: Variant, trial: Trial, work: Work): Promise<void> {
      const prepared = await prepare(variant, root, work);
      const train = await openData(config.data, 'train', prepared.trained.backbone.spec);
      const extractor = await openDigits(train, { ...work, seed: 0 });
      try {
        const court = await courtOf(prepared, extractor, join(root, 'drawn'));
        const counts = (): Promise<readonly StepCount[]> => countsFor(prepared, trial, call, terminal);
        const measurable = { ...prepared, counts, also: variant.also ?? [] };
        await addFinding({
          ...{
            trial: trialName(trial),
            variant: variant.name,
            factor: variant.factor,
            set: [...variant.set],
          },
          weights: countOf(prepared.trained.model.heads),
          measured: await tryHeads(variant.name, measurable, trial, court, work),
        });
      } finally {
        await extractor.dispose();
      }
    }

    async function rankedOf(variant: Variant, work: Work): Promise<void> {
      const prepared = await prepare(variant, root, work);
      const counts = await countsFor(prepared, ranked.trial, call, terminal);
      await addRanking(await rank(variant.name, prepared, counts, work));
    }
  },
});

function chosen(only: string | undefined): readonly Variant[] {
  if (only === undefined) return variants;
  return only.split(',').map((name) => {
    const found = variants.find((variant) => variant.name === name);
    if (found) return found;
    throw new UserError(
      `there is no variant ${name}; there are ${variants.map((one) => one.name).join(', ')}.`,
    );
  });
}

process.exitCode = await main(
  ['ablation', ...process.argv.slice(2)],
  [
    {
      name: 'ablation',
      summary: 'which heads draw best for what they cost',
      load: () => Promise.resolve(ablation),
    },
  ],
  processWorld(),
);
