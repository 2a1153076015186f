// How long does an autoencoder take for an image, and how much memory? One process, one direction:
// npx tsx scripts/bench/vae.ts encode|decode FOLDER [side in pixels] [tile in latents] (see make-vae.ts)
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { pickEngine } from '../../src/engine/pick.js';
import { stream } from '../../src/random.js';
import { openVaeDecoder } from '../../src/vae/decoder.js';
import { openVaeEncoder } from '../../src/vae/encoder.js';
import { openVae } from '../../src/vae/openVae.js';

const [direction, path = '', side = '256', tile] = process.argv.slice(2);
if (direction !== 'encode' && direction !== 'decode') throw new Error('give encode or decode, and a folder');

/** Most of everything that was resident, in megabytes; unknown on systems without /proc. */
function peak(): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  return (Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024).toFixed(0);
}

const start = performance.now();
const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(2);
const vae = await openVae(path);
const opened = seconds(start);
const engine = await pickEngine({ kind: 'onnx', threads: 0 });
const before = peak();
const { downsampling, imageChannels, latentChannels } = vae.spec;
const imageSize = Number(side);
const latentSize = imageSize / downsampling;

const loading = performance.now();
const half =
  direction === 'encode'
    ? await openVaeEncoder(engine, vae, { imageSize })
    : await openVaeDecoder(engine, vae, {
        latentSize,
        tile: tile === undefined ? undefined : Number(tile),
      });
const loaded = seconds(loading);
const work = async (i: number): Promise<unknown> =>
  'encode' in half
    ? half.encode(stream(i, 'image').normals(imageChannels * imageSize ** 2))
    : half.decode(stream(i, 'latents').normals(latentChannels * latentSize ** 2));
const times: string[] = [];
for (let i = 0; i < 3; i++) {
  const from = performance.now();
  await work(i);
  times.push(seconds(from));
}
console.log(
  `${direction} ${side} px${tile === undefined ? '' : `, tiles of ${tile}`}: ${(half.macs / 1e9).toFixed(0)} G multiply-adds, ` +
    `opened in ${opened} s, loaded in ${loaded} s, images ${times.join(', ')} s, VmHWM ${peak()} MB (${before} before loading)`,
);
await half.dispose();
