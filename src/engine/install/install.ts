// How is an engine installed, and removed? Step by step, each done once, into one folder.
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, UserError } from '../../errors.js';
import { isCode, isFolder, makeFolder } from '../../files/disk.js';
import { withLock } from '../../files/lock.js';
import { megabytes } from '../../files/room.js';
import { writeFileAtomic } from '../../files/write.js';
import { buildAddon } from './addon.js';
import { addonIn, engineFolder, type InstallKind } from './folder.js';
import { pinsFor, thisMachine, type Machine } from './machine.js';
import { fetchPackage } from './npmPackage.js';
import { tfjsVersion, type Pins } from './pins.js';
import { lastWords, runProgram } from './program.js';
import { isDone, once, type Step } from './steps.js';
import { findTools } from './tools.js';
import { unpackWheel } from './unpack.js';
import { downloadWheel } from './wheel.js';

/** What an installation would do, or did. */
export interface InstallPlan {
  readonly kind: InstallKind;
  readonly folder: string;
  /** Of TensorFlow. */
  readonly version: string;
  /** What is still to do. */
  readonly steps: readonly PlannedStep[];
  /** Still to download. */
  readonly downloadBytes: number;
  /** What the engine takes on the disk in the end. */
  readonly diskBytes: number;
  /** What has to be free to get there. */
  readonly neededBytes: number;
}

export interface PlannedStep extends Step {
  readonly title: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
}

export interface InstallOptions {
  readonly kind: InstallKind;
  readonly folder?: string;
  readonly machine?: Machine;
  readonly pins?: Pins;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Of all downloads. */
  readonly onBytes: (done: number, total: number) => void;
}

/** What tells that an engine is whole: written last, removed first. */
const installedName = 'installed.json';
/** Of the layout below; an engine of another one is installed anew. */
const layout = 1;

/** @throws UserError where the engine cannot be had on this machine */
export async function planInstall(
  options: Omit<InstallOptions, 'signal' | 'say' | 'onBytes'>,
): Promise<InstallPlan> {
  const { kind, machine = thisMachine(), folder = engineFolder(kind) } = options;
  const pins = options.pins ?? pinsFor(kind, machine);
  const steps: PlannedStep[] = [];
  for (const step of allSteps(pins)) if (!(await isDone(folder, step))) steps.push(step);
  const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);
  const largest = Math.max(0, ...steps.map(({ bytes }) => bytes));
  const unpacked = sum(steps.map(({ unpackedBytes }) => unpackedBytes));
  return {
    kind,
    folder,
    version: pins.tensorflow,
    steps,
    downloadBytes: sum(steps.map(({ bytes }) => bytes)),
    diskBytes: sum(allSteps(pins).map(({ unpackedBytes }) => unpackedBytes)),
    // A wheel is removed once it is unpacked.
    neededBytes: steps.length === 0 ? 0 : unpacked + largest,
  };
}

/**
 * Installs what is not there yet. Stopped at any time, it goes on where it was when it is called again. While another
 * process installs or removes the same engine, it waits.
 * @throws UserError where a tool, room or a wheel is missing, or a file is not the pinned one
 * @throws Interrupted if `signal` aborts
 */
export async function install(options: InstallOptions): Promise<InstallPlan> {
  const { kind, signal, say } = options;
  const plan = await planInstall(options);
  if (await isWhole(plan)) return plan;
  const onWait = (holder: string): void =>
    say(`${kind} is being installed or removed by ${holder}; waiting for it`);
  return withLock(lockOf(plan.folder), { signal, onWait }, () => installAlone(options));
}

async function isWhole({ steps, folder }: InstallPlan): Promise<boolean> {
  return steps.length === 0 && (await installed(folder)) !== undefined;
}

/** Beside the folder, which a removal takes away. */
function lockOf(folder: string): string {
  return `${folder}.lock`;
}

async function installAlone(options: InstallOptions): Promise<InstallPlan> {
  const { kind, machine = thisMachine(), signal, say } = options;
  // Another process may just have done all or part of it.
  const plan = await planInstall(options);
  if (await isWhole(plan)) return plan;
  const { folder } = plan;
  const pins = options.pins ?? pinsFor(kind, machine);
  const [{ name: source }] = pins.packages;
  const tools = await findTools({ bytes: plan.neededBytes, folder, platform: machine.platform });
  const downloads = join(folder, 'downloads');
  await makeFolder(downloads);
  await rm(join(folder, installedName), { force: true });

  let before = 0;
  const remaining = [...plan.steps];
  const next = async (step: PlannedStep, work: () => Promise<void>): Promise<void> => {
    if (signal.aborted) throw new Interrupted(goOn(kind));
    if (!remaining.some(({ name }) => name === step.name)) return;
    say(`${step.title}${step.bytes > 1e6 ? ` (${megabytes(step.bytes)})` : ''}`);
    try {
      await once(folder, step, work);
    } catch (error) {
      if (signal.aborted) throw new Interrupted(goOn(kind));
      throw error;
    }
    before += step.bytes;
    options.onBytes(before, plan.downloadBytes);
  };
  for (const pin of pins.packages)
    await next(packageStep(pin), () => fetchPackage(pin, { downloads, folder, signal }));
  for (const pin of pins.wheels)
    await next(wheelStep(pin), async () => {
      const onBytes = (bytes: number): void =>
        options.onBytes(before + Math.min(bytes, pin.bytes), plan.downloadBytes);
      const wheel = await downloadWheel(pin, { python: tools.python, folder: downloads, signal, onBytes });
      await unpackWheel(wheel, folder, signal);
      await rm(wheel);
    });
  await next(buildStep(pins), async () => {
    await writeBridges(folder);
    await buildAddon({ folder, source, platform: machine.platform, tools, signal });
    await tryAddon(folder, signal);
  });
  await rm(downloads, { recursive: true, force: true });
  const { tensorflow } = pins;
  const facts: Installed = { format: 'exithead-engine', version: layout, kind, tensorflow, source };
  await writeFileAtomic(join(folder, installedName), `${JSON.stringify(facts, null, 2)}\n`);
  return plan;
}

/** What is said of an engine that is whole. */
export interface Installed {
  readonly format: 'exithead-engine';
  readonly version: number;
  readonly kind: InstallKind;
  readonly tensorflow: string;
  /** The npm package of its kernels. */
  readonly source: string;
}

/** The engine in a folder; undefined if none is there, or only part of one. */
export async function installed(folder: string): Promise<Installed | undefined> {
  try {
    const facts = JSON.parse(await readFile(join(folder, installedName), 'utf8')) as Partial<Installed>;
    const isOurs = facts.format === 'exithead-engine' && facts.version === layout;
    return isOurs ? (facts as Installed) : undefined;
  } catch (error) {
    if (isCode(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Removes an engine, or what there is of it. While another process installs it, it waits.
 * @returns whether anything was there
 * @throws Interrupted if `signal` aborts while it waits
 */
export async function removeEngine(
  folder: string,
  { signal, say }: Pick<InstallOptions, 'signal' | 'say'>,
): Promise<boolean> {
  if (!(await isFolder(folder))) return false;
  const onWait = (holder: string): void =>
    say(`${folder} is being installed or removed by ${holder}; waiting for it`);
  return withLock(lockOf(folder), { signal, onWait }, async () => {
    if (!(await isFolder(folder))) return false;
    // First what says that it is whole: a removal that is stopped leaves no engine.
    await rm(join(folder, installedName), { force: true });
    await rm(folder, { recursive: true });
    return true;
  });
}

function goOn(kind: InstallKind): string {
  return `stopped; \`exithead engine install ${kind}\` goes on where it was`;
}

function allSteps(pins: Pins): PlannedStep[] {
  return [...pins.packages.map(packageStep), ...pins.wheels.map(wheelStep), buildStep(pins)];
}

function packageStep({ name, version, integrity, bytes }: Pins['packages'][number]): PlannedStep {
  const title = `fetch ${name} ${version} from npm`;
  return { name: name.replace('/', '-'), key: integrity, title, bytes, unpackedBytes: 10 * bytes };
}

function wheelStep({ project, version, sha256, bytes, unpackedBytes }: Pins['wheels'][number]): PlannedStep {
  const title = `fetch and unpack ${project} ${version} from PyPI`;
  return { name: project, key: sha256, title, bytes, unpackedBytes };
}

/** Built anew when anything that it is made of changes. */
function buildStep(pins: Pins): PlannedStep {
  const parts = [layout, ...pins.packages.map((p) => p.integrity), ...pins.wheels.map((w) => w.sha256)];
  const key = createHash('sha256').update(parts.join()).digest('hex');
  return { name: 'addon', key, title: 'build and try the addon', bytes: 0, unpackedBytes: 1_000_000 };
}

/** Packages that stand for TensorFlow.js in the engine's folder: the loader hands the process's own one to them. */
export const bridges = ['@tensorflow/tfjs', '@tensorflow/tfjs-core'] as const;

async function writeBridges(folder: string): Promise<void> {
  for (const name of bridges) {
    const place = join(folder, 'node_modules', name);
    await makeFolder(place);
    const about = { name, version: tfjsVersion, private: true, main: 'index.js' };
    await writeFileAtomic(join(place, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
    const text =
      '// Filled by exithead when it loads the engine, so that there is one TensorFlow.js.\nmodule.exports = {};\n';
    await writeFileAtomic(join(place, 'index.js'), text);
  }
}

/** Loads the addon in a process of its own: a library that cannot be loaded may end the process. */
async function tryAddon(folder: string, signal: AbortSignal): Promise<void> {
  const source = 'require(process.argv[1])';
  const env = { TF_CPP_MIN_LOG_LEVEL: '3' };
  const ran = await runProgram(process.execPath, ['-e', source, addonIn(folder)], { env, signal });
  if (ran.code !== 0)
    throw new UserError(
      `the addon was built but cannot be loaded. Look at what was said:\n${lastWords(ran)}`,
    );
}
