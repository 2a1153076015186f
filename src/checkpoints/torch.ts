// Which weights does a PyTorch .pt file hold? Read as data: nothing in it is ever run.
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Weight } from '../engine/tensors.js';
import { messageOf, UserError } from '../errors.js';
import { isKind, unpickle, type Dict, type Pickled } from './pickle.js';
import { bytesPer, readBytes, type Stretch } from './stored.js';
import {
  isContiguous,
  isFloatView,
  readView,
  requireWithin,
  spanOf,
  tensorGlobals,
  weightOf,
} from './torchTensor.js';
import { unsoundTorch } from './unsound.js';
import { openZip } from './zip.js';

/** Which weights to take from a file that has several: `auto` prefers the averaged ones. */
export type WeightsChoice = 'auto' | 'ema' | 'model';

export interface TorchFile {
  /** Floating-point tensors that can be weights; they stay in the file unless their numbers are strewn over it. */
  readonly tensors: Readonly<Record<string, Weight>>;
  /** What else is there, such as counters: name and type. */
  readonly others: Readonly<Record<string, string>>;
  /** Whose weights these are; `plain` is a state dict with nothing around it. */
  readonly which: 'ema' | 'model' | 'plain';
}

/** A training checkpoint also holds its options. */
const globals: ReadonlySet<string> = new Set([...tensorGlobals, 'argparse.Namespace']);
const mostPickleBytes = 16 * 2 ** 20;
/** Views of one storage may overlap; a hostile file could have each of them read the whole of it. */
const mostReadings = 8;

/**
 * Opens a zip checkpoint of torch.save: a state dict, or a dict with `model` or `ema` (as DiT's training writes it).
 * @throws UserError if the file is damaged, older than the zip format, asks for anything but plain data, or lacks
 * the weights asked for
 */
export async function openTorch(path: string, which: WeightsChoice): Promise<TorchFile> {
  await requireZip(path);
  const members = await openZip(resolve(path));
  const { root, pickle } = pickleOf(path, members);
  const order = members.get(`${root}/byteorder`);
  if (order && Buffer.from(await small(path, order)).toString() !== 'little')
    throw new UserError(`${path} holds big-endian numbers. Save it again on a little-endian machine.`);
  const chosen = choose(path, unpickle(path, await small(path, pickle), globals), which);

  const tensors: (readonly [string, Weight])[] = [];
  const others: (readonly [string, string])[] = [];
  let budget = mostReadings * [...members.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  for (const [name, value] of chosen.dict.entries) {
    const view = readView(path, name, value);
    if (!view || !isFloatView(view)) {
      others.push([name, view?.dtype ?? 'no tensor']);
      continue;
    }
    const member = requireWithin(path, name, view, members.get(`${root}/data/${view.storage}`));
    if (!isContiguous(view)) budget -= spanOf(view) * bytesPer[view.dtype];
    if (budget < 0) throw unsoundTorch(path, `its tensors overlap more than ${mostReadings} times`);
    tensors.push([name, await weightOf(view, member)]);
  }
  // Not by assignment: a name may be __proto__.
  return { tensors: Object.fromEntries(tensors), others: Object.fromEntries(others), which: chosen.which };
}

export type TorchFormat = 'zip' | 'legacy';

/** What the beginning of a file says about it, if it is one of torch's. @param start its first 512 bytes or more */
export function torchFormat(start: Uint8Array): TorchFormat | undefined {
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('PK\x03\x04')) return 'zip';
  // A pickle, or a tar archive: what torch wrote at first, and what it wrote until version 1.6.
  if (text.startsWith('\x80\x02') || text.slice(257, 262) === 'ustar') return 'legacy';
  return undefined;
}

/** The beginning of a file, enough to tell its format. @throws UserError if it cannot be read */
export async function readStart(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(512), 0, 512, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new UserError(`${path} cannot be read (${messageOf(error)}). Give the path of a checkpoint.`);
  }
}

async function requireZip(path: string): Promise<void> {
  const format = torchFormat(await readStart(path));
  switch (format) {
    case 'zip':
      return;
    case 'legacy':
      throw new UserError(
        `${path} has the old format that torch wrote before version 1.6; expected its zip format. With a current ` +
          'torch, save it again: torch.save(torch.load(old, map_location="cpu", weights_only=True), new).',
      );
    case undefined:
      throw unsoundTorch(path, 'it is not a zip archive');
  }
}

/** torch puts everything into one folder of the archive. */
function pickleOf(
  path: string,
  members: ReadonlyMap<string, Stretch>,
): { readonly root: string; readonly pickle: Stretch } {
  const found = [...members].filter(([name]) => /^[^/]+\/data\.pkl$/.test(name));
  const [first] = found;
  if (!first || found.length > 1)
    throw unsoundTorch(path, `it has ${found.length} members named <folder>/data.pkl, expected one`);
  return { root: first[0].slice(0, -'/data.pkl'.length), pickle: first[1] };
}

async function small(path: string, member: Stretch): Promise<Uint8Array> {
  if (member.bytes > mostPickleBytes)
    throw unsoundTorch(
      path,
      `the description of its tensors has ${member.bytes} bytes, at most ${mostPickleBytes} are read`,
    );
  return readBytes(member);
}

interface Chosen {
  readonly which: TorchFile['which'];
  readonly dict: Dict;
}

function choose(path: string, top: Pickled, choice: WeightsChoice): Chosen {
  if (!isKind(top, 'dict'))
    throw new UserError(
      `${path} holds something other than a dict of tensors. Save the model's state_dict() instead.`,
    );
  const parts = (['ema', 'model'] as const).flatMap((which) => {
    const dict = top.entries.get(which);
    return isKind(dict, 'dict') ? [{ which, dict }] : [];
  });
  const isPlain = [...top.entries].some(([name, value]) => readView(path, name, value));
  const plain = isPlain ? [{ which: 'plain' as const, dict: top }] : [];
  const chosen = choice === 'auto' ? (parts[0] ?? plain[0]) : parts.find(({ which }) => which === choice);
  if (chosen) return chosen;
  const found = isPlain && parts.length === 0 ? 'a plain state dict' : shown([...top.entries.keys()]);
  const wanted = choice === 'auto' ? 'ema, model or a plain state dict' : choice;
  throw new UserError(
    `${path} holds ${found}, expected ${wanted}. ` +
      (choice === 'auto'
        ? "Save the model's state_dict() instead."
        : 'Set weights to auto to take what there is.'),
  );
}

function shown(keys: readonly string[]): string {
  const first = keys.slice(0, 8).map((key) => JSON.stringify(key.slice(0, 80)));
  const more = keys.length > first.length ? ` and ${keys.length - first.length} more` : '';
  return first.length > 0 ? `a dict with ${first.join(', ')}${more}` : 'an empty dict';
}
