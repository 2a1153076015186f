// Which verbs are there? The one table, in the order of the pipeline.
import type { Verb, VerbEntry } from './verb.js';

/** A verb's file is loaded when it is called, so that help is quick. */
const entry = (
  name: string,
  summary: string,
  load: () => Promise<{ readonly default: Verb<never> | Verb }>,
): VerbEntry => ({ name, summary, load: async () => (await load()).default });

export const verbs: readonly VerbEntry[] = [
  entry('inspect', 'say what a backbone, run or bundle is', () => import('./inspect.js')),
  entry('pretrain', 'make a backbone from nothing', () => import('./pretrain.js')),
  entry('train', 'train exit heads on a frozen backbone', () => import('./train.js')),
  entry('profile', 'measure the error of every exit at every time', () => import('./profile.js')),
  entry('schedule', 'solve for the exits that lose least at a speed-up', () => import('./schedule.js')),
  entry('export', 'write the bundle that a sampler loads', () => import('./export.js')),
  entry('sample', 'draw images with a bundle', () => import('./sample.js')),
  entry('report', 'write what a run measured as one HTML page', () => import('./report.js')),
];
