// How does a backbone become a folder that opens again? config.json and model.safetensors.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { specJson } from '../backbones/spec.js';
import type { HostTensors } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { writing } from '../files/disk.js';
import { writeFileAtomic } from '../files/write.js';
import { openBackbone } from './backbone.js';
import { fingerprintOf } from './fingerprint.js';
import { finiteCheck } from './finite.js';
import { parametersOf } from './parameters.js';
import { writeSafetensors, type WriteOptions } from './safetensors.js';
import { configFile, weightsFile } from './weightsFile.js';

/** From here on a number rounds to infinity in F16. */
const tooLargeForHalf = 65520;

/**
 * Writes the two files, each whole or not at all; other files of the folder, such as a README, stay. Then opens the
 * folder again, so what is returned is the fingerprint of what lies on the disk.
 * @param weights the parameters of the spec under the official names; others are left out
 * @returns the fingerprint
 * @throws UserError if a number is not finite (or, for F16, too large), or the disk refuses
 */
export async function writeBackbone(
  folder: string,
  spec: BackboneSpec,
  weights: HostTensors,
  { dtype = 'F32', metadata = {} }: WriteOptions = {},
): Promise<string> {
  const file = join(folder, weightsFile);
  const { weights: parameters } = parametersOf(file, spec, weights);
  const finite = finiteCheck();
  await fingerprintOf(parameters, finite.see);
  finite.require(file);
  if (dtype === 'F16') requireHalves(file, parameters);
  await writing(folder, () => mkdir(folder, { recursive: true }));
  await writeSafetensors(file, parameters, { dtype, metadata: { format: 'pt', ...metadata } });
  await writeFileAtomic(join(folder, configFile), `${JSON.stringify(specJson(spec), null, 2)}\n`);
  return (await openBackbone({ path: folder, weights: 'auto' })).fingerprint;
}

function requireHalves(file: string, weights: HostTensors): void {
  for (const [name, { data }] of Object.entries(weights)) {
    const at = data.findIndex((value) => Math.abs(value) >= tooLargeForHalf);
    if (at >= 0)
      throw new UserError(
        `${file} cannot hold ${name} as F16: ${data[at]} at flat index ${at} is beyond 65504. Write it as F32.`,
      );
  }
}
