// Which weights does a PyTorch .pt file hold? Read as data: nothing in it is ever run.
import { sizeOf, type Weight } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { isKind, type Dict, type Pickled } from './pickle.js';
import { bytesPer, typeBytes, type TensorEntry } from './stored.js';
import { openArchive, type TorchArchive } from './torchArchive.js';
import {
  isContiguous,
  isFloatView,
  readView,
  requireWithin,
  spanOf,
  weightOf,
  type TensorView,
} from './torchTensor.js';
import { unsoundTorch } from './unsound.js';

/** Which weights to take from a file that has several: `auto` prefers the averaged ones. */
export type WeightsChoice = 'auto' | 'ema' | 'model';

export interface TorchTensors {
  /** Floating-point tensors that can be weights; they stay in the file unless their numbers are strewn over it. */
  readonly tensors: Readonly<Record<string, Weight>>;
  /** What else is there, such as counters: name and type. */
  readonly others: Readonly<Record<string, string>>;
  /** All tensors of both, as the file describes them. */
  readonly entries: readonly TensorEntry[];
}

export interface TorchFile extends TorchTensors {
  /** Whose weights these are; `plain` is a state dict with nothing around it. */
  readonly which: 'ema' | 'model' | 'plain';
}

/** Views of one storage may overlap; a hostile file could have each of them read the whole of it. */
const mostReadings = 8;
/** Dicts may hold each other again and again. */
const mostValues = 200_000;
const mostDepth = 50;
const mostNameLength = 1024;

/**
 * Opens a checkpoint of torch.save: a state dict, or a dict with `model` or `ema` (as DiT's training writes it) or
 * `state_dict` (as that of latent diffusion does).
 * @throws UserError if the file is damaged, asks for anything but plain data, or lacks the weights asked for
 */
export async function openTorch(path: string, which: WeightsChoice): Promise<TorchFile> {
  const archive = await openArchive(path);
  const chosen = choose(path, archive.top, which);
  return { ...(await tensorsIn(path, archive, chosen.dict.entries)), which: chosen.which };
}

/**
 * All tensors of a file, whatever they are for. Names lead through the dicts around them: `model.blocks.0...`.
 * @throws UserError if the file is damaged or asks for anything but plain data
 */
export async function openAllTorch(path: string): Promise<TorchTensors> {
  const archive = await openArchive(path);
  return tensorsIn(path, archive, flattened(path, archive.top));
}

async function tensorsIn(
  path: string,
  { storage, bytes }: TorchArchive,
  values: Iterable<readonly [string, Pickled]>,
): Promise<TorchTensors> {
  const tensors: (readonly [string, Weight])[] = [];
  const others: (readonly [string, string])[] = [];
  const entries: TensorEntry[] = [];
  let budget = mostReadings * bytes;
  for (const [name, value] of values) {
    const view = readView(path, name, value);
    if (view) entries.push(entryOf(name, view));
    if (!view || !isFloatView(view)) {
      others.push([name, view?.dtype ?? 'no tensor']);
      continue;
    }
    const member = requireWithin(path, name, view, storage(view.storage));
    if (!isContiguous(view)) budget -= spanOf(view) * bytesPer[view.dtype];
    if (budget < 0) throw unsoundTorch(path, `its tensors overlap more than ${mostReadings} times`);
    tensors.push([name, await weightOf(view, member)]);
  }
  // Not by assignment: a name may be __proto__.
  return { tensors: Object.fromEntries(tensors), others: Object.fromEntries(others), entries };
}

function entryOf(name: string, { dtype, shape }: TensorView): TensorEntry {
  return { name, dtype, shape, bytes: sizeOf(shape) * (typeBytes[dtype] ?? NaN) };
}

/** Values that are neither dicts nor lists, each under the keys that lead to it. */
function flattened(path: string, top: Pickled): (readonly [string, Pickled])[] {
  const flat: (readonly [string, Pickled])[] = [];
  let seen = 0;
  const visit = (name: string, value: Pickled, depth: number): void => {
    if (++seen > mostValues || depth > mostDepth)
      throw unsoundTorch(path, 'its dicts and lists hold each other again and again');
    if (name.length > mostNameLength)
      throw unsoundTorch(path, `it has names of more than ${mostNameLength} characters`);
    const inner = (key: string): string => (name === '' ? key : `${name}.${key}`);
    if (isKind(value, 'dict')) for (const [key, item] of value.entries) visit(inner(key), item, depth + 1);
    else if (isKind(value, 'sequence'))
      value.items.forEach((item, i) => visit(inner(`${i}`), item, depth + 1));
    else flat.push([name, value]);
  };
  visit('', top, 0);
  return flat;
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
  // The original code of latent diffusion saves a state dict beside counters and settings.
  const named = top.entries.get('state_dict');
  const dict = isPlain ? top : isKind(named, 'dict') ? named : undefined;
  const plain = dict ? [{ which: 'plain' as const, dict }] : [];
  const chosen = choice === 'auto' ? (parts[0] ?? plain[0]) : parts.find(({ which }) => which === choice);
  if (chosen) return chosen;
  const found = isPlain && parts.length === 0 ? 'a plain state dict' : shown([...top.entries.keys()]);
  const wanted = choice === 'auto' ? 'ema, model, state_dict or a plain state dict' : choice;
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
