// How do CelebA's aligned photographs become the 64 x 64 faces that U-ViT was trained on?
// npx tsx scripts/datasets/celeba.ts img_align_celeba list_eval_partition.txt faces
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { isFile, makeFolder } from '../../src/files/disk.js';
import { writeFileAtomic } from '../../src/files/write.js';

/** Aligned photographs are 178 x 218; the square around the face has its centre at (89, 121). */
const square = { left: 25, top: 57, width: 128, height: 128 } as const;
const side = 64;
/** Columns of the list: 0 training, 1 validation, 2 test. */
const splits = ['train', 'validation', 'test'] as const;

const [photographs, list, out] = process.argv.slice(2);
if (photographs === undefined || list === undefined || out === undefined)
  throw new Error('give the folder of aligned photographs, list_eval_partition.txt, and a folder to write');

for (const split of splits) await makeFolder(join(out, split));
let written = 0;
for (const line of (await readFile(list, 'utf8')).trim().split('\n')) {
  const [name = '', column = ''] = line.trim().split(/\s+/);
  const split = splits[Number(column)];
  if (!/^\d+\.jpg$/.test(name) || split === undefined)
    throw new Error(`${list}: expected a name and 0, 1 or 2, found ${JSON.stringify(line)}`);
  const face = join(out, split, name.replace('.jpg', '.png'));
  // What an earlier call wrote is whole: an interrupted one goes on.
  if (await isFile(face)) continue;
  const image = sharp(join(photographs, name)).extract(square).resize(side, side, { kernel: 'cubic' });
  await writeFileAtomic(face, await image.png().toBuffer());
  written++;
}
console.log(`${written} faces of ${side} x ${side} written to ${out}`);
