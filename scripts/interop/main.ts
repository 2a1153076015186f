// Do samplers without exithead draw the same pictures? npm run interop: three of them, from the noise of `exithead sample`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../src/commands/main.js';
import { verb } from '../../src/commands/verb.js';
import { processWorld } from '../../src/commands/world.js';
import { UserError } from '../../src/errors.js';
import { findConsumers, type Consumer } from './consumers.js';
import { makeDemos } from './demo.js';
import { drawReference, type Reference } from './reference.js';

/** Largest difference of a pixel from -1 to 1 unless told: rounding in single precision, along all steps. */
const usualTolerance = 1e-4;

const interop = verb({
  examples: [
    ['npm run interop', 'two bundles of digits, made for this'],
    ['npm run interop -- --bundle bundle', 'one of yours, exported with --onnx --with-backbone'],
  ],
  common: ['out', 'seed'],
  configKind: 'sample',
  options: {
    bundle: { type: 'list', meaning: 'a bundle; may be given often. Two are made unless given' },
    python: { type: 'string', meaning: 'a Python to look for packages in first' },
    samples: { type: 'number', meaning: 'how many each draws; 8 unless given' },
    tolerance: { type: 'number', meaning: `largest difference of a number; ${usualTolerance} unless given` },
  },
  async run(call, terminal) {
    const { bundle: given, python, samples = 8, tolerance = usualTolerance } = call.options;
    const seed = Number(call.set.find(({ key }) => key === 'seed')?.text ?? 1);
    const folder = call.out ?? (await mkdtemp(join(tmpdir(), 'exithead-interop-')));
    try {
      if (given.length === 0) terminal.line('making two bundles of digits, in a moment of training');
      const bundles = given.length > 0 ? given : await makeDemos(folder, processWorld());
      const consumers = findConsumers(python === undefined ? [] : [python]);
      for (const { name, madeOf, missing } of consumers)
        if (missing !== undefined) terminal.warn(`SKIPPED ${name}, ${madeOf}: ${missing}`);
      const results: Outcome[] = [];
      for (const [i, bundle] of bundles.entries()) {
        const reference = await drawReference(bundle, join(folder, `reference-${i}`), {
          ...{ count: samples, seed, signal: call.signal },
        });
        for (const consumer of consumers) results.push(await outcomeOf(consumer, bundle, reference));
      }
      terminal.table([
        ['bundle', 'drawn by', 'largest difference', 'seconds'],
        ...results.map(({ bundle, by, difference, seconds }) => [
          bundle,
          by,
          difference === null ? 'skipped' : difference.toExponential(1),
          seconds === null ? '' : seconds.toFixed(1),
        ]),
      ]);
      const off = results.filter(({ difference }) => difference !== null && !(difference <= tolerance));
      if (off.length > 0)
        throw new UserError(
          `${off.map(({ by, bundle }) => `${by} with ${bundle}`).join(', ')}: more than ${tolerance} from exithead sample. Where a ` +
            'trajectory could go either way, rounding decides; --tolerance allows for that (docs/interop.md).',
        );
      terminal.line(`all that ran draw what exithead sample draws, within ${tolerance}`);
      return { tolerance, results };
    } finally {
      if (call.out === undefined) await rm(folder, { recursive: true });
    }
  },
});

interface Outcome {
  readonly bundle: string;
  readonly by: Consumer['name'];
  /** Largest absolute difference of a number; null where it was skipped. */
  readonly difference: number | null;
  readonly seconds: number | null;
}

async function outcomeOf(consumer: Consumer, bundle: string, reference: Reference): Promise<Outcome> {
  const { name: by, missing } = consumer;
  if (missing !== undefined) return { bundle, by, difference: null, seconds: null };
  const start = performance.now();
  const images = await consumer.draw(bundle, reference);
  const seconds = (performance.now() - start) / 1000;
  return { bundle, by, difference: largest(images, reference.images), seconds };
}

/** Infinite where a number is missing or none. */
function largest(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Infinity;
  const differences = expected.map((value, i) => Math.abs(value - (found[i] ?? NaN)));
  return differences.reduce((most, one) => (Number.isNaN(one) ? Infinity : Math.max(most, one)), 0);
}

process.exitCode = await main(
  ['interop', ...process.argv.slice(2)],
  [{ name: 'interop', summary: 'samplers without exithead', load: () => Promise.resolve(interop) }],
  processWorld(),
);
