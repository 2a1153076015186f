// What does the user see of a file of tensors that is nothing more?
import { notFiniteLines } from '../../checkpoints/finite.js';
import type { TensorsFacts } from '../../inspect/tensors.js';
import type { VaeFacts } from '../../inspect/vae.js';
import type { VaeConfigFacts } from '../../inspect/vaeConfig.js';
import type { VaeSpec } from '../../vae/spec.js';
import type { Terminal } from '../terminal.js';
import { counted, sized, typed, whole } from './numbers.js';

const formats = { safetensors: 'a .safetensors file', torch: 'a PyTorch file' } as const;
/** More than a person reads; --json has all. */
const mostGroups = 200;

export function showTensors(facts: TensorsFacts, terminal: Terminal): void {
  const { path, format, reason, dtypes, groups, numbers, bytes, fingerprint, notFinite, metadata } = facts;
  const tensors = dtypes.reduce((sum, one) => sum + one.tensors, 0);
  terminal.line(
    `${path} is ${formats[format]} of ${counted(tensors, 'tensor')} with ${whole(numbers)} numbers`,
  );
  terminal.line(`why nothing more: ${reason}`);
  if (dtypes.length > 0) terminal.line(`types: ${typed(dtypes)}; ${sized(bytes)}`);
  for (const [name, value] of Object.entries(metadata).slice(0, 12))
    terminal.line(`metadata ${name}: ${value.slice(0, 200)}`);
  terminal.line(`fingerprint ${fingerprint}`);
  if (notFinite.length > 0) {
    terminal.line('not all finite:');
    notFiniteLines(notFinite).forEach((line) => terminal.line(line));
  }
  if (groups.length === 0) return;
  terminal.table([
    ['tensor', 'count', 'type', 'shape'],
    ...groups
      .slice(0, mostGroups)
      .map(({ name, count, dtype, shape }) => [name, count, dtype, `[${shape.join(', ')}]`]),
  ]);
  if (groups.length > mostGroups) terminal.line(`and ${groups.length - mostGroups} more rows`);
}

export function showVae(facts: VaeFacts, terminal: Terminal): void {
  const { spec, reason, layout, parameters, dtypes, bytes, fingerprint } = facts;
  terminal.line(`an autoencoder of ${whole(parameters)} parameters, all finite`);
  terminal.line(`why: ${reason}${layout === 'diffusers' ? '' : `; the names are those of ${layout}`}`);
  vaeLines(spec).forEach((line) => terminal.line(line));
  terminal.line(`types: ${typed(dtypes)}; ${sized(bytes)}`);
  terminal.line(`fingerprint ${fingerprint}`);
}

export function showVaeConfig({ spec, parameters }: VaeConfigFacts, terminal: Terminal): void {
  terminal.line(`the config of an autoencoder of ${whole(parameters)} parameters`);
  terminal.line('why: it names the class; its weights are elsewhere');
  vaeLines(spec).forEach((line) => terminal.line(line));
}

function vaeLines(spec: VaeSpec): string[] {
  const { imageChannels, latentChannels, downsampling, scalingFactor, shift, blockChannels } = spec;
  return [
    `images of ${counted(imageChannels, 'channel')}, latents of ${latentChannels} and ${downsampling}x smaller, ` +
      `${blockChannels.join(', ')} channels inside`,
    `diffusion sees ${shift === 0 ? 'latent' : `(latent - ${shift})`} * ${scalingFactor}`,
  ];
}
