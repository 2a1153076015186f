// Which verbs are there? The one table, in the order of the pipeline.
import * as declared from './declarations.js';
import type { Declaration, Flags, Verb, VerbEntry } from './verb.js';

/** The file that does a verb's work is loaded when the verb runs, with the libraries it needs: help is quick. */
function entry<Options extends Flags>(
  name: string,
  summary: string,
  declaration: Declaration<Options>,
  load: () => Promise<{ readonly default: Verb<Options>['run'] }>,
): VerbEntry {
  const verb: Verb<Options> = {
    ...declaration,
    run: async (call, terminal) => (await load()).default(call, terminal),
  };
  return { name, summary, load: () => Promise.resolve(verb) };
}

const {
  inspect,
  convert,
  encode,
  pretrain,
  train,
  profile,
  uncertainty,
  schedule,
  exporting,
  sample,
  evaluate,
  report,
  engine,
} = declared;

export const verbs: readonly VerbEntry[] = [
  entry('inspect', 'say what a backbone, run or bundle is', inspect, () => import('./inspect.js')),
  entry(
    'convert',
    'rearrange a DiT for the official code or diffusers',
    convert,
    () => import('./convert.js'),
  ),
  entry('encode', 'turn images into latents to train on', encode, () => import('./encode.js')),
  entry('pretrain', 'make a backbone from nothing', pretrain, () => import('./pretrain.js')),
  entry('train', 'train exit heads on a frozen backbone', train, () => import('./train.js')),
  entry('profile', 'measure the error of every exit at every time', profile, () => import('./profile.js')),
  entry(
    'uncertainty',
    'train and check heads that say how wrong an exit is',
    uncertainty,
    () => import('./uncertainty.js'),
  ),
  entry(
    'schedule',
    'solve for the exits that lose least at a speed-up',
    schedule,
    () => import('./schedule.js'),
  ),
  entry('export', 'write the bundle that a sampler loads', exporting, () => import('./export.js')),
  entry('sample', 'draw images with a bundle', sample, () => import('./sample.js')),
  entry(
    'evaluate',
    'judge what a bundle draws, beside all that is cheaper',
    evaluate,
    () => import('./evaluate.js'),
  ),
  entry('report', 'write what a run measured as one HTML page', report, () => import('./report.js')),
  entry('engine', 'list, install, check and remove what computes', engine, () => import('./engine.js')),
];
