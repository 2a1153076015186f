// exithead encode: turns a folder of images into latents that training reads.
import { pickEngine } from '../engine/pick.js';
import { providerRefusal } from '../engine/providers.js';
import { engineLine } from '../engine/engine.js';
import { UserError } from '../errors.js';
import { encodeImages, rehearseEncoding } from '../encode/encode.js';
import { planEncoding, type EncodePlan } from '../encode/plan.js';
import { openVae } from '../vae/openVae.js';
import type { encode } from './declarations.js';
import { counted } from './inspected/numbers.js';
import { duration } from './progress.js';
import type { Terminal } from './terminal.js';
import { threadsOf } from './threads.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';

export default async function run(call: Call<OptionsOf<typeof encode>>, terminal: Terminal): Promise<Result> {
  const wanted = engineOptions(call);
  const plan = await planOf(call);
  const engine = await pickEngine(wanted);
  for (const line of about(plan)) terminal.line(line);
  terminal.line(engineLine(engine));
  const { splits, count, bytes, ignored } = plan;
  const facts = { images: count, bytes, ignored, classes: plan.labels.count };
  if (call.dryRun) {
    const rehearsal = await rehearseEncoding(plan, engine);
    const { macs, seconds, secondsPerImage } = rehearsal;
    terminal.line(`multiply-adds      ${(macs / 1e12).toPrecision(3)} T`);
    terminal.line(
      `time               about ${duration(seconds * 1000)} (${secondsPerImage.toPrecision(2)} s an image, measured now)`,
    );
    terminal.line('Nothing was written.');
    return { dryRun: true, ...facts, ...rehearsal, folders: splits.map(({ folder }) => folder) };
  }
  const begun = Date.now();
  const { folders, skipped, kept } = await encodeImages(plan, {
    ...{ engine, signal: call.signal, resume: call.resume, progress: terminal.progress('encode') },
    say: (line) => terminal.line(line),
    warn: (line) => terminal.warn(line),
  });
  if (kept > 0) terminal.line(`there already: ${counted(kept, 'file')}`);
  if (skipped.length > 0) terminal.line(`left out: ${counted(skipped.length, 'broken image')}`);
  for (const { folder, count: within, shards } of folders)
    terminal.line(`${folder}: ${counted(within, 'latent')} in ${counted(shards, 'file')}`);
  terminal.line(`took ${duration(Date.now() - begun)}`);
  const [train, test] = folders;
  if (train && test)
    terminal.line(`next: data: { kind: latents, train: ${train.folder}, test: ${test.folder} }`);
  return { ...facts, folders, skipped, kept };
}

async function planOf(call: Call<OptionsOf<typeof encode>>): Promise<EncodePlan> {
  const images = targetOf(call);
  const { options, out } = call;
  const example = `exithead encode ${images} --vae sd-vae --out latents`;
  const { vae, captions, classes, flips, limit } = options;
  if (vae === undefined) throw new UserError(`exithead encode needs --vae, the autoencoder: ${example}`);
  if (out === undefined) throw new UserError(`exithead encode needs --out, the folder to write: ${example}`);
  if (captions && classes !== undefined)
    throw new UserError('--captions and --classes say two things about labels; give one of them.');
  return planEncoding(
    {
      ...{ images, out, flips, limit, classes, skipBroken: options['skip-broken'] },
      imageSize: options['image-size'] ?? 256,
      shardSize: options.shard ?? 512,
      dtype: options.dtype ?? 'F16',
      testShare: options['test-share'] ?? 0,
      labels: captions ? 'captions' : 'classes',
    },
    await openVae(vae),
  );
}

function engineOptions({ options }: Call<OptionsOf<typeof encode>>): Parameters<typeof pickEngine>[0] {
  const { engine: kind = 'auto', provider = 'cpu' } = options;
  const refusal = providerRefusal({ kind, provider });
  if (refusal !== undefined) throw new UserError(`--provider: ${refusal}`);
  return { kind, provider, threads: threadsOf(options) };
}

function about({ options, vae, latentSize, labels, splits, count, ignored, bytes }: EncodePlan): string[] {
  const { images, imageSize, flips, dtype } = options;
  const { latentChannels, scalingFactor } = vae.spec;
  const others = ignored > 0 ? `; left alone: ${counted(ignored, 'other file')}` : '';
  return [
    `${images}: ${counted(count, 'image')}, ${meaning(labels)}${others}`,
    `crops of ${imageSize} x ${imageSize}${flips ? ', also mirrored,' : ''} become latents of ` +
      `${latentChannels} x ${latentSize} x ${latentSize}, to be scaled by ${scalingFactor}`,
    ...splits.map(
      ({ folder, count: within, shards }) =>
        `${folder}: ${counted(within, 'image')}, ${counted(shards.length, 'file')}`,
    ),
    `on the disk        ${(bytes / 1e6).toPrecision(3)} MB in ${dtype}`,
  ];
}

function meaning({ count, captions, names }: EncodePlan['labels']): string {
  if (captions) return 'each with its caption';
  if (!names) return 'without classes';
  return count === 1 ? '1 class' : `${count} classes`;
}
