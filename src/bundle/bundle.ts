// What does a sampler load? The bundle folder: bundle.json, schedule.json, heads.safetensors and a README.
import { realpath } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import type { Labels } from '../backbones/labels.js';
import { specJson } from '../backbones/spec.js';
import { copySafetensors, openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import type { FrozenPrecision, HostTensors, StoredTensor, Weights } from '../engine/tensors.js';
import type { HeadPlan } from '../exits/heads.js';
import { weightProblems } from '../exits/headsFile.js';
import { readUncertainty, writeUncertainty, type UncertaintyHeads } from '../exits/uncertaintyFile.js';
import { UserError } from '../errors.js';
import { isFile } from '../files/disk.js';
import { writeFileAtomic, writeFolderAtomic } from '../files/write.js';
import type { Calibration } from '../schedules/calibration.js';
import { calibrationPath, readCalibration, writeCalibration } from '../schedules/calibrationFile.js';
import { readJsonFile, writeJsonFile } from '../files/jsonFile.js';
import { readSchedule, writeSchedule, type Schedule } from '../schedules/schedule.js';
import {
  backboneFile,
  bundleFormat,
  plansOf,
  specOf,
  type BundleDescription,
  type BundleDiffusion,
} from './description.js';
import { isOnnxFile, onnxFolder, writeOnnxGraphs } from './onnx.js';
import { bundleReadme } from './readme.js';

/** The backbone that a bundle belongs to. */
export interface BundleBackbone {
  readonly spec: BackboneSpec;
  /** Where its weights are: a path, seen from the bundle, or a published name. */
  readonly source: string;
  /** Classes it knows instead of those of its file. */
  readonly labels?: Labels | undefined;
  /** With those labels. */
  readonly fingerprint: string;
  /** What it computed in when the heads were trained. */
  readonly frozenPrecision: FrozenPrecision;
}

/** The autoencoder that makes pictures of what the backbone draws; its weights are elsewhere. */
export type BundleVae = NonNullable<BundleDescription['vae']>;

interface Contents<Tensors> {
  readonly backbone: BundleBackbone;
  /** None where the backbone draws pixels, or nobody said which. */
  readonly vae?: BundleVae | undefined;
  readonly diffusion: BundleDiffusion;
  /** Ascending exits; the schedule was solved for these. */
  readonly plans: readonly HeadPlan[];
  /** Weights of the heads, under the names of exits/heads.ts. */
  readonly heads: Tensors;
  readonly schedule: Schedule;
  /** The run it was exported from, seen from its folder; it may be gone. */
  readonly run?: string | undefined;
}

/** What goes into a bundle. */
export type BundleContents = Contents<HostTensors> & {
  /** For leaving per sample; they lie beside what bundle.json lists. */
  readonly judges?: Judges | undefined;
  /** What is made of the backbone's weights. */
  readonly additions?: Additions | undefined;
};

/** What a bundle holds beside heads, schedule and settings, if asked to. */
export interface Additions {
  /** Of the backbone, with its labels. */
  readonly weights: Weights;
  /** Whether they lie in the bundle; then it needs nothing else. */
  readonly withBackbone: boolean;
  /** Whether the exits lie in it as ONNX graphs, for samplers without exithead. */
  readonly withOnnx: boolean;
}

/** Heads that say how wrong each exit is, and what was measured of them. */
export interface Judges {
  readonly uncertainty: UncertaintyHeads;
  readonly calibration: Calibration;
}

/** What comes out of one: weights stay in their file. */
export type Bundle = Contents<Readonly<Record<string, StoredTensor>>>;

/**
 * Writes the whole folder or nothing.
 * @throws UserError if the parts do not belong together, or the folder cannot be written
 */
export async function writeBundle(path: string, contents: BundleContents): Promise<void> {
  const { backbone, diffusion, plans, heads, schedule, judges, additions } = contents;
  const description = describe(contents);
  requireTogether(description, contents, path);
  await writeFolderAtomic(
    path,
    async (folder) => {
      await writeJsonFile(join(folder, descriptionFile), bundleFormat, description);
      await writeSchedule(join(folder, description.schedule), schedule);
      await writeSafetensors(join(folder, description.headsFile), heads, {
        metadata: { format: 'pt', backbone: schedule.backbone, fingerprint: schedule.heads },
      });
      if (judges) {
        await writeUncertainty(join(folder, uncertaintyFile), judges.uncertainty, {
          ...{ backbone: schedule.backbone, heads: schedule.heads },
        });
        await writeCalibration(calibrationPath(folder), judges.calibration);
      }
      if (additions?.withBackbone === true)
        await copySafetensors(join(folder, backboneFile), additions.weights, {
          ...{ format: 'pt', fingerprint: schedule.backbone },
        });
      if (additions?.withOnnx === true)
        await writeOnnxGraphs(join(folder, onnxFolder), {
          model: { spec: backbone.spec, backbone: additions.weights, plans, heads },
          ...{ diffusion, schedule },
        });
      await writeFileAtomic(
        join(folder, 'README.md'),
        bundleReadme(description, schedule, additions?.withOnnx),
      );
    },
    isOptional,
  );
}

/**
 * Reads a bundle and checks all of it; files outside the folder are never opened. The weights stay in their file.
 * @throws UserError naming the file, what is wrong in it and what to do
 */
export async function readBundle(path: string): Promise<Bundle> {
  const file = join(path, descriptionFile);
  const description = await readJsonFile(await inside(path, descriptionFile), bundleFormat);
  const schedule = await readSchedule(await inside(path, description.schedule));
  const { tensors } = await openSafetensors(await inside(path, description.headsFile));
  const spec = specOf(description, file);
  const { source, labels, fingerprint, frozenPrecision = 'fp32' } = description.backbone;
  const bundle: Bundle = {
    backbone: { spec, source, labels, fingerprint, frozenPrecision },
    ...{ vae: description.vae, diffusion: description.diffusion, run: description.run },
    plans: plansOf(spec, description, file),
    heads: tensors,
    schedule,
  };
  requireTogether(description, bundle, path);
  return bundle;
}

/**
 * What says of a bundle's samples how wrong an exit is.
 * @throws UserError if the bundle has none, or of other heads
 */
export async function readJudges(path: string, { backbone, schedule }: Bundle): Promise<Judges> {
  const file = join(path, uncertaintyFile);
  if (!(await isFile(file)))
    throw new UserError(
      `${path} has no ${uncertaintyFile}, which leaving per sample needs. Run \`exithead uncertainty\` on its run, then export it again.`,
    );
  const of = { backbone: backbone.fingerprint, heads: schedule.heads };
  const uncertainty = await readUncertainty(await inside(path, uncertaintyFile), backbone.spec, of);
  return { uncertainty, calibration: await readCalibration(calibrationPath(path)) };
}

const descriptionFile = 'bundle.json';
const uncertaintyFile = 'uncertainty.safetensors';

/** What some bundles hold and others do not: a new one replaces an old one all the same. */
function isOptional(name: string): boolean {
  const files = [backboneFile, uncertaintyFile, basename(calibrationPath('')), onnxFolder];
  return files.includes(name) || isOnnxFile(name);
}

function describe(contents: BundleContents): BundleDescription {
  const { backbone, vae, diffusion, plans, schedule, run, additions } = contents;
  const { spec, source, labels, fingerprint, frozenPrecision } = backbone;
  const macsAt = new Map(schedule.available.map(({ exit, macs }) => [exit, macs]));
  const options = Object.entries(specJson(spec)).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return {
    format: 'exithead-bundle',
    version: 1,
    backbone: {
      family: spec.family,
      size: spec.size,
      ...(additions?.withBackbone === true ? { source: backboneFile } : { source, labels }),
      fingerprint,
      spec: Object.fromEntries(options),
      conditioning: spec.conditioning,
      frozenPrecision,
    },
    ...{ diffusion, vae },
    heads: plans.map((plan) => ({ ...plan, macs: macsAt.get(plan.exit) ?? 0 })),
    fullMacs: macsAt.get(spec.depth) ?? 0,
    headsFingerprint: schedule.heads,
    headsFile: 'heads.safetensors',
    schedule: 'schedule.json',
    run,
  };
}

/** The heads, the schedule and the backbone must be of one make. */
function requireTogether(
  description: BundleDescription,
  { backbone, diffusion, plans, heads, schedule }: Contents<Weights>,
  path: string,
): void {
  const { spec } = backbone;
  const listed = [
    ...description.heads.map(({ exit, kind, macs }) => ({ exit, kind, macs })),
    { exit: spec.depth, kind: 'backbone', macs: description.fullMacs },
  ];
  const named = (exits: readonly { exit: number; kind: string; macs: number }[]): string =>
    exits.map(({ exit, kind, macs }) => `${exit} (${kind}, ${macs} multiply-adds)`).join(', ');
  const rules: readonly (readonly [string, unknown, unknown])[] = [
    ['the backbone that the schedule is for', schedule.backbone, backbone.fingerprint],
    ['the heads that the schedule is for', schedule.heads, description.headsFingerprint],
    ['what the backbone is told', description.backbone.conditioning ?? 'classes', spec.conditioning],
    ['the diffusion steps of the schedule', schedule.steps, diffusion.steps],
    ['the diffusion steps of the backbone', spec.timeSteps, diffusion.steps],
    ['the exits of the schedule', named(schedule.available), named(listed)],
  ];
  const problems = [
    ...rules.flatMap(([what, found, expected]) =>
      found === expected ? [] : [`  ${what}: found ${String(found)}, expected ${String(expected)}`],
    ),
    ...weightProblems(spec, plans, heads),
  ];
  if (problems.length > 0)
    throw new UserError(
      `${path}: the parts of this bundle do not belong together:\n${problems.slice(0, 12).join('\n')}\n` +
        'Profile the heads, solve for a schedule and export again.',
    );
}

/**
 * The real path of a file in the folder.
 * @throws UserError if it is missing, or a link leads out of the folder
 */
async function inside(folder: string, name: string): Promise<string> {
  const file = join(folder, name);
  const [root, target] = await Promise.all([realpath(folder), realpath(file)]).catch(() => {
    throw new UserError(`${file} is missing. ${bundleFormat.remedy}`);
  });
  if (target.startsWith(root + sep)) return target;
  throw new UserError(
    `${file} is a link to ${target}, outside the bundle. Put the file itself there, or ${bundleFormat.remedy.toLowerCase()}`,
  );
}
