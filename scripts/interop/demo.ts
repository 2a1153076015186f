// Which bundles are shown to other samplers, if none is given? Two of the digit backbone, by the commands of the README.
import { join } from 'node:path';
import { main, type World } from '../../src/commands/main.js';
import { verbs } from '../../src/commands/verbs.js';

/** A training that is long enough to move every weight, and no longer. */
const quick = ['train.steps=60', 'train.batch=16', 'train.checkpointEvery=60', 'optimizer.warmup=5'];

const demos = [
  { name: 'adapter', config: 'heads', set: ['heads.exits=[6, 9, 11]'], speedup: 1.2 },
  { name: 'memory', config: 'memory', set: ['heads.exits=[1, 3]'], speedup: 1.7 },
] as const;

/**
 * Trains heads for a moment, measures them, and exports bundles that hold all that they need.
 * @returns their folders
 * @throws Error if a command fails; it has said why
 */
export async function makeDemos(folder: string, world: World): Promise<string[]> {
  const exithead = async (...words: string[]): Promise<void> => {
    const code = await main([...words, '--quiet'], verbs, world);
    if (code !== 0) throw new Error(`exithead ${words.join(' ')} ended with ${code}`);
  };
  const bundles: string[] = [];
  for (const { name, config, set, speedup } of demos) {
    const runs = join(folder, name);
    const settings = [...quick, ...set].flatMap((setting) => ['--set', setting]);
    await exithead('train', `configs/mnist/${config}.yaml`, '--out', runs, ...settings);
    const run = join(runs, `001-mnist-${config}`);
    await exithead('profile', run, '--samples', '32', '--bins', '4');
    await exithead('schedule', run, '--speedup', String(speedup), '--steps', '25');
    const bundle = join(runs, 'bundle');
    await exithead('export', run, '--out', bundle, '--onnx', '--with-backbone');
    bundles.push(bundle);
  }
  return bundles;
}
