// Where does a DiT-XL/2 come from without a download? Random weights under the official names, written one by one:
// npx tsx scripts/bench/make-dit-xl.ts FOLDER [F32|F16] [size]
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { familyOf } from '../../src/backbones/families.js';
import { publishedSize, specJson } from '../../src/backbones/spec.js';
import { streamSafetensors } from '../../src/checkpoints/safetensors.js';
import { configFile, weightsFile } from '../../src/checkpoints/weightsFile.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { writeFileAtomic } from '../../src/files/write.js';
import { randomWeight } from './weights.js';

const [folder, dtype = 'F32', size = 'DiT-XL/2'] = process.argv.slice(2);
if (folder === undefined || (dtype !== 'F32' && dtype !== 'F16'))
  throw new Error('give a folder to write to, and F32 or F16');

const spec = publishedSize(size);
const shapes = familyOf(spec).shapes(spec);
await mkdir(folder, { recursive: true });
await streamSafetensors(join(folder, weightsFile), shapes, (name) => randomWeight(name, shapes[name] ?? []), {
  dtype,
});
await writeFileAtomic(join(folder, configFile), `${JSON.stringify(specJson(spec), null, 2)}\n`);
const count = Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
console.log(`${folder}: ${spec.size}, ${(count / 1e6).toFixed(0)} M random weights in ${dtype}`);
