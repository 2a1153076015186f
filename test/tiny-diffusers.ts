// The tiny DiT of test/fixtures/diffusers: its spec, and its weights under our names.
import { nameFromDiffusers, readDiffusersDit } from '../src/backbones/ditDiffusers.js';
import { fixtureJson, fixturePath, fixtureTensors } from './fixtures.js';

export const folder = fixturePath('diffusers/dit');
export const theirJson = fixtureJson('diffusers/dit/config.json') as Readonly<Record<string, unknown>>;
/** The blocks of this model have embedders of their own. */
export const tinySpec = readDiffusersDit(theirJson, 'config.json');
export const theirWeights = fixtureTensors('diffusers/dit/diffusion_pytorch_model.safetensors');
export const tinyWeights = Object.fromEntries(
  Object.entries(theirWeights).map(([name, weight]) => [nameFromDiffusers(name) ?? name, weight]),
);
export const tinyIo = fixtureTensors('diffusers/dit/io.safetensors');
