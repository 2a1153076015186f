// Where does an autoencoder of the size of Stable Diffusion's come from without a download? Random weights, as diffusers
// would save them: npx tsx scripts/bench/make-vae.ts FOLDER [F32|F16]
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { streamSafetensors } from '../../src/checkpoints/safetensors.js';
import { configFile, diffusersFile } from '../../src/checkpoints/weightsFile.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { writeFileAtomic } from '../../src/files/write.js';
import { vaeShapes } from '../../src/vae/shapes.js';
import { readVaeSpec } from '../../src/vae/spec.js';
import { randomWeight } from './weights.js';

const [folder, dtype = 'F32'] = process.argv.slice(2);
if (folder === undefined || (dtype !== 'F32' && dtype !== 'F16'))
  throw new Error('give a folder to write to, and F32 or F16');

const blockChannels = [128, 256, 512, 512];
const json = {
  ...{ _class_name: 'AutoencoderKL', block_out_channels: blockChannels, layers_per_block: 2 },
  ...{ in_channels: 3, out_channels: 3, latent_channels: 4, norm_num_groups: 32, act_fn: 'silu' },
  ...{ sample_size: 256, scaling_factor: 0.18215 },
  down_block_types: blockChannels.map(() => 'DownEncoderBlock2D'),
  up_block_types: blockChannels.map(() => 'UpDecoderBlock2D'),
};
const shapes = vaeShapes(readVaeSpec(json, configFile));
await mkdir(folder, { recursive: true });
await streamSafetensors(
  join(folder, diffusersFile),
  shapes,
  (name) => randomWeight(name, shapes[name] ?? []),
  {
    dtype,
  },
);
await writeFileAtomic(join(folder, configFile), `${JSON.stringify(json, null, 2)}\n`);
const count = Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
console.log(`${folder}: ${(count / 1e6).toFixed(1)} M random weights in ${dtype}`);
