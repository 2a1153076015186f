// How good and how fast is the classifier? npx tsx scripts/bench/classifier.ts [seeds] [steps]
import { performance } from 'node:perf_hooks';
import { mnistFiles, openIdxDataset } from '../../src/data/idxDataset.js';
import { pickEngine } from '../../src/engine/pick.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { accuracyOn } from '../../src/evaluate/agreement.js';
import { trainClassifier } from '../../src/evaluate/classifier.js';
import { initialNetwork } from '../../src/evaluate/classifierNetwork.js';

const seeds = Number(process.argv[2] ?? 1);
const steps = process.argv[3] === undefined ? {} : { steps: Number(process.argv[3]) };
const engine = await pickEngine({ kind: 'auto', threads: 0 });
const train = await openIdxDataset(mnistFiles('train'), 'mnist');
const test = await openIdxDataset(mnistFiles('test'), 'mnist test');

const parameters = Object.values(initialNetwork(train.imageSize ** 2, train.classes, 0));
console.log(`${parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)} parameters`);
for (let seed = 0; seed < seeds; seed++) {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const classifier = await trainClassifier(engine, train, {
    seed,
    ...steps,
    signal: new AbortController().signal,
    progress: { update: () => undefined, end: () => undefined },
  });
  const { user, system } = process.cpuUsage(cpu);
  const trained = performance.now();
  const accuracy = await accuracyOn(classifier, test);
  const tested = performance.now();
  await classifier.dispose();
  console.log(
    `seed ${seed}: ${(100 * accuracy).toFixed(2)}% of ${test.count} test images; ` +
      `training ${((trained - start) / 1000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of CPU), ` +
      `test ${((tested - trained) / 1000).toFixed(2)} s`,
  );
}
