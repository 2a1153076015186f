// Which numbers of which storage make a tensor of a torch checkpoint? Reads what a pickle says about one, checked.
import { sizeOf, type HostTensor, type StoredFloat, type Weight } from '../engine/tensors.js';
import { isKind, type Pickled } from './pickle.js';
import { bytesPer, readBytes, widen, type Stretch } from './stored.js';
import { unsoundTorch } from './unsound.js';

const rebuildTensor = 'torch._utils._rebuild_tensor_v2';
const rebuildParameter = 'torch._utils._rebuild_parameter';

/** Types of number by the class of their storage, named as .safetensors files name them. */
const storageTypes: Readonly<Record<string, string>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

/** Everything of Python's that a tensor needs. */
export const tensorGlobals: readonly string[] = [
  rebuildTensor,
  rebuildParameter,
  'torch.Size',
  ...Object.keys(storageTypes),
];

const mostDimensions = 64;

/** Numbers of a storage: number (i, j, ...) is at start + i * stride_0 + j * stride_1 + ... */
export interface TensorView {
  /** Name of the storage in the archive. */
  readonly storage: string;
  readonly dtype: string;
  /** Numbers in the storage. */
  readonly length: number;
  readonly start: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A view of a type that can be a weight. */
export type FloatView = TensorView & { readonly dtype: StoredFloat };

/** Numbers that a pickle refers to. */
export interface Storage {
  readonly key: string;
  readonly dtype: string;
  /** Numbers in it. */
  readonly length: number;
}

/** A storage, unless it is something else, or a stretch of another one (which torch stopped writing in 2017). */
export function readStorage(value: Pickled | undefined): Storage | undefined {
  const id = isKind(value, 'persistent') && isKind(value.id, 'sequence') ? value.id.items : [];
  const [tag, type, key, , length, stretch = null] = id;
  const dtype = isKind(type, 'global') ? storageTypes[type.name] : undefined;
  const isWhole = tag === 'storage' && stretch === null;
  if (!isWhole || dtype === undefined || typeof key !== 'string' || !isNatural(length)) return undefined;
  return { key, dtype, length };
}

/**
 * What a pickled value says, if it is a tensor at all.
 * @param name of the tensor, for messages
 * @throws UserError if it is one but makes no sense
 */
export function readView(path: string, name: string, value: Pickled): TensorView | undefined {
  // A parameter wraps a tensor once; following more could go round in circles.
  const inner = isKind(value, 'call') && value.name === rebuildParameter ? value.args[0] : value;
  if (!isKind(inner, 'call') || inner.name !== rebuildTensor) return undefined;
  const [numbers, start, size, stride] = inner.args;
  const storage = readStorage(numbers);
  const shape = naturals(size);
  const strides = naturals(stride);
  if (!storage || !isNatural(start) || !shape || strides?.length !== shape.length)
    throw unsoundTorch(path, `tensor ${name} is not a storage with start, shape and strides`);
  const { key, dtype, length } = storage;
  return { storage: key, dtype, length, start, shape, strides };
}

export function isFloatView(view: TensorView): view is FloatView {
  return Object.hasOwn(bytesPer, view.dtype);
}

/**
 * Checks that a view stays within its storage, and the storage within its member of the archive.
 * @param member where the storage lies, if the archive has it
 * @throws UserError naming the tensor
 */
export function requireWithin(
  path: string,
  name: string,
  view: FloatView,
  member: Stretch | undefined,
): Stretch {
  const { storage, dtype, length, shape } = view;
  const tensor = `tensor ${name} ([${shape.join(', ')}] of ${dtype})`;
  if (!member) throw unsoundTorch(path, `the numbers of ${tensor}, data/${storage}, are not in it`);
  if (member.bytes !== length * bytesPer[dtype])
    throw unsoundTorch(
      path,
      `the numbers of ${tensor} have ${member.bytes} bytes, expected ${length * bytesPer[dtype]}`,
    );
  // A stride of 0 could make a few bytes into any number of weights.
  if (sizeOf(shape) > length || view.start + spanOf(view) > length)
    throw unsoundTorch(path, `${tensor} reaches beyond the ${length} numbers of its storage`);
  return member;
}

/** Whether the numbers follow each other in row-major order. */
export function isContiguous({ shape, strides }: TensorView): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const n = shape[i] ?? 1;
    if (n !== 1 && strides[i] !== step) return false;
    step *= n;
  }
  return true;
}

/** Numbers of the storage from the first that the view takes to the last, whether it takes them or not. */
export function spanOf({ shape, strides }: TensorView): number {
  if (shape.includes(0)) return 0;
  return 1 + shape.reduce((sum, n, i) => sum + (n - 1) * (strides[i] ?? 0), 0);
}

/** Points at the numbers where they lie, or, if they are strewn over the storage, gathers them in memory. */
export async function weightOf(view: FloatView, member: Stretch): Promise<Weight> {
  const { dtype, shape, start } = view;
  const per = bytesPer[dtype];
  const place = { path: member.path, offset: member.offset + start * per };
  if (isContiguous(view)) return { ...place, dtype, shape, bytes: sizeOf(shape) * per };
  return gathered(view, widen(dtype, await readBytes({ ...place, bytes: spanOf(view) * per })));
}

function gathered({ shape, strides }: FloatView, numbers: Float32Array): HostTensor {
  const inwards = shape.map((n, i) => ({ n, stride: strides[i] ?? 0, index: 0 })).reverse();
  let at = 0;
  const data = new Float32Array(sizeOf(shape)).map(() => {
    const number = numbers[at] ?? NaN;
    // Like a counter: the last dimension moves on, and carries into the one before it.
    for (const dimension of inwards) {
      at += dimension.stride;
      if (++dimension.index < dimension.n) break;
      at -= dimension.n * dimension.stride;
      dimension.index = 0;
    }
    return number;
  });
  return { shape, data };
}

function naturals(value: Pickled | undefined): number[] | undefined {
  if (!isKind(value, 'sequence') || value.items.length > mostDimensions) return undefined;
  const numbers = value.items.filter(isNatural);
  return numbers.length === value.items.length ? numbers : undefined;
}

function isNatural(value: Pickled | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
