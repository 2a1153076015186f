// What does the user see of stored latents, of captions, and of a config?
import type { CaptionsFacts } from '../../inspect/captions.js';
import type { ConfigFacts } from '../../inspect/config.js';
import type { LatentsFacts } from '../../inspect/latents.js';
import type { Terminal } from '../terminal.js';
import { counted, sized, whole } from './numbers.js';

export function showLatents({ path, bytes, index }: LatentsFacts, terminal: Terminal): void {
  const { count, channels, size, dtype, flipped, classes, shards, vae } = index;
  terminal.line(`${path} holds ${counted(count, 'latent')} of ${channels} x ${size} x ${size}`);
  terminal.line(`why: index.json says so, and its shards agree; ${sized(bytes)}`);
  terminal.line(
    `${counted(shards.length, 'shard')} of ${dtype}, ${whole(classes)} class${classes === 1 ? '' : 'es'}, ` +
      `${flipped ? 'with' : 'without'} mirrored images`,
  );
  terminal.line(
    `made by ${vae.source ?? 'an autoencoder that is not named'}, scaling factor ${vae.scalingFactor}` +
      (vae.fingerprint === undefined ? '' : `, fingerprint ${vae.fingerprint}`),
  );
}

export function showCaptions({ path, bytes, index }: CaptionsFacts, terminal: Terminal): void {
  const { count, tokens, channels, encoder, shards } = index;
  terminal.line(
    `${path} holds ${counted(count, 'embedded caption')} of up to ${tokens} tokens x ${channels}`,
  );
  terminal.line(`why: captions.json says so, and its shards agree; ${sized(bytes)}`);
  terminal.line(`${counted(shards.length, 'shard')}, embedded by ${encoder}`);
}

export function showConfig(
  { path, purposes, config, sources, bytes }: ConfigFacts,
  terminal: Terminal,
): void {
  const verbs = purposes.join(' or ');
  if (config === undefined) {
    terminal.line(`${path} is a part of a config for ${verbs}, right as far as it goes`);
    terminal.line(`why: it has sections of one and lacks others; ${whole(bytes)} bytes`);
    return;
  }
  terminal.line(`${path} is a config for exithead ${verbs}, and right`);
  terminal.line(`why: it has the sections of one; ${whole(bytes)} bytes`);
  terminal.line(`made of ${sources.join(', ')}`);
}
