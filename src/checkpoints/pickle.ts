// What does a pickle say, if nothing in it may run? A stack machine that builds inert data and calls nothing.
import { UserError } from '../errors.js';
import { unsoundTorch } from './unsound.js';

/** What a pickle describes. Calls and objects are written down, never made. */
export type Pickled = null | boolean | number | string | Sequence | Dict | Global | Call | Persistent;

/** A list or a tuple. */
export interface Sequence {
  readonly kind: 'sequence';
  readonly items: Pickled[];
}

/** Entries under strings; what lies under other keys is dropped, nothing here reads it. */
export interface Dict {
  readonly kind: 'dict';
  readonly entries: Map<string, Pickled>;
}

/** The name of something in Python, such as `torch.FloatStorage`. */
export interface Global {
  readonly kind: 'global';
  readonly name: string;
}

/** What Python would call, or make an object of; any state of the object is dropped. */
export interface Call {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Pickled[];
}

/** A reference to something outside the pickle. */
export interface Persistent {
  readonly kind: 'persistent';
  readonly id: Pickled;
}

/** Every value costs at least one of these, so they bound memory and time; a tensor takes some 40. */
const mostSteps = 1_000_000;
const mostMarks = 1000;
const newestProtocol = 5;
const orderedDict = 'collections.OrderedDict';

interface Machine {
  readonly path: string;
  readonly bytes: Buffer;
  readonly globals: ReadonlySet<string>;
  readonly stack: Pickled[];
  /** Lengths of the stack where a group began. */
  readonly marks: number[];
  readonly memo: Map<number, Pickled>;
  readonly references: Persistent[];
  at: number;
}

export interface Unpickled {
  readonly value: Pickled;
  /** All that it refers to outside of itself. */
  readonly references: readonly Persistent[];
  /** Where it ends; old checkpoints are several pickles in a row. */
  readonly end: number;
}

/**
 * Protocols 0 to 5, as far as torch.save uses them.
 * @param path of the checkpoint, for messages
 * @param globals names that may appear; any other is refused before anything refers to it
 * @param from where it begins
 * @throws UserError naming the global that is refused, or saying what is damaged
 */
export function unpickle(path: string, bytes: Uint8Array, globals: ReadonlySet<string>, from = 0): Unpickled {
  const m: Machine = {
    path,
    bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
    globals,
    stack: [],
    marks: [],
    memo: new Map(),
    references: [],
    at: from,
  };
  for (let step = 0; step < mostSteps; step++) {
    const opcode = String.fromCharCode(take(m, 1).readUInt8());
    if (opcode === '.') return { value: only(m), references: m.references, end: m.at };
    const run = Object.hasOwn(opcodes, opcode) ? opcodes[opcode] : undefined;
    if (!run)
      throw unsound(m, `opcode 0x${opcode.charCodeAt(0).toString(16)} is none that torch.save writes`);
    run(m);
  }
  throw unsound(m, `it takes more than ${mostSteps} steps`);
}

const opcodes: Readonly<Record<string, (m: Machine) => void>> = {
  '\x80': (m) => {
    const protocol = take(m, 1).readUInt8();
    if (protocol > newestProtocol) throw unsound(m, `protocol ${protocol} is newer than ${newestProtocol}`);
  },
  '\x95': (m) => void take(m, 8),
  '(': (m) => {
    if (m.marks.length >= mostMarks) throw unsound(m, `more than ${mostMarks} groups are open`);
    m.marks.push(m.stack.length);
  },
  '0': (m) => void pop(m),

  N: (m) => m.stack.push(null),
  '\x88': (m) => m.stack.push(true),
  '\x89': (m) => m.stack.push(false),
  K: (m) => m.stack.push(take(m, 1).readUInt8()),
  M: (m) => m.stack.push(take(m, 2).readUInt16LE()),
  J: (m) => m.stack.push(take(m, 4).readInt32LE()),
  '\x8a': (m) => m.stack.push(long(take(m, take(m, 1).readUInt8()))),
  G: (m) => m.stack.push(take(m, 8).readDoubleBE()),
  X: (m) => m.stack.push(take(m, take(m, 4).readUInt32LE()).toString('utf8')),
  '\x8c': (m) => m.stack.push(take(m, take(m, 1).readUInt8()).toString('utf8')),

  ')': (m) => m.stack.push({ kind: 'sequence', items: [] }),
  ']': (m) => m.stack.push({ kind: 'sequence', items: [] }),
  '}': (m) => m.stack.push({ kind: 'dict', entries: new Map() }),
  t: (m) => m.stack.push({ kind: 'sequence', items: group(m) }),
  '\x85': (m) => m.stack.push({ kind: 'sequence', items: popMany(m, 1) }),
  '\x86': (m) => m.stack.push({ kind: 'sequence', items: popMany(m, 2) }),
  '\x87': (m) => m.stack.push({ kind: 'sequence', items: popMany(m, 3) }),
  a: (m) => append(m, popMany(m, 1)),
  e: (m) => append(m, group(m)),
  s: (m) => setItems(m, popMany(m, 2)),
  u: (m) => setItems(m, group(m)),

  q: (m) => void m.memo.set(take(m, 1).readUInt8(), top(m)),
  r: (m) => void m.memo.set(take(m, 4).readUInt32LE(), top(m)),
  '\x94': (m) => void m.memo.set(m.memo.size, top(m)),
  h: (m) => m.stack.push(remembered(m, take(m, 1).readUInt8())),
  j: (m) => m.stack.push(remembered(m, take(m, 4).readUInt32LE())),

  c: (m) => m.stack.push(global(m, `${line(m)}.${line(m)}`)),
  '\x93': (m) => {
    const [module, name] = popMany(m, 2);
    if (typeof module !== 'string' || typeof name !== 'string') throw unsound(m, 'a global has no name');
    m.stack.push(global(m, `${module}.${name}`));
  },
  Q: (m) => {
    const reference: Persistent = { kind: 'persistent', id: pop(m) };
    m.references.push(reference);
    m.stack.push(reference);
  },
  R: (m) => m.stack.push(call(m)),
  '\x81': (m) => m.stack.push(call(m)),
  // The state of an object: attributes of a Namespace, or the versions that modules note beside a state dict.
  b: (m) => void pop(m),
};

function take(m: Machine, count: number): Buffer {
  const end = m.at + count;
  if (end > m.bytes.length) throw unsound(m, 'it ends too early');
  const taken = m.bytes.subarray(m.at, end);
  m.at = end;
  return taken;
}

function line(m: Machine): string {
  const end = m.bytes.indexOf('\n', m.at);
  if (end < 0) throw unsound(m, 'a name does not end');
  const text = take(m, end - m.at).toString('utf8');
  m.at++;
  return text;
}

/** Two's complement, little-endian; beyond 2^53 the nearest number. */
function long(bytes: Buffer): number {
  const isNegative = ((bytes.at(-1) ?? 0) & 0x80) !== 0;
  return bytes.reduceRight((value, byte) => value * 256 + byte, isNegative ? -1 : 0);
}

/** What lies above the last mark may be taken, no more. */
function popMany(m: Machine, count: number): Pickled[] {
  if (m.stack.length - count < (m.marks.at(-1) ?? 0)) throw unsound(m, 'its stack is empty');
  return m.stack.splice(m.stack.length - count);
}

function pop(m: Machine): Pickled {
  const value = m.stack.length > (m.marks.at(-1) ?? 0) ? m.stack.pop() : undefined;
  if (value === undefined) throw unsound(m, 'its stack is empty');
  return value;
}

function group(m: Machine): Pickled[] {
  const mark = m.marks.pop();
  if (mark === undefined) throw unsound(m, 'a group ends that never began');
  return m.stack.splice(mark);
}

function top(m: Machine): Pickled {
  const value = m.stack.at(-1);
  if (value === undefined) throw unsound(m, 'its stack is empty');
  return value;
}

function only(m: Machine): Pickled {
  if (m.stack.length !== 1 || m.marks.length !== 0)
    throw unsound(m, `it ends with ${m.stack.length} values, expected one`);
  return top(m);
}

function remembered(m: Machine, key: number): Pickled {
  const value = m.memo.get(key);
  if (value === undefined) throw unsound(m, `it refers to value ${key}, which it never made`);
  return value;
}

function append(m: Machine, items: readonly Pickled[]): void {
  const list = top(m);
  if (!isKind(list, 'sequence')) throw unsound(m, 'it appends to something that is no list');
  for (const item of items) list.items.push(item);
}

function setItems(m: Machine, items: readonly Pickled[]): void {
  const dict = top(m);
  if (!isKind(dict, 'dict') || items.length % 2 !== 0) throw unsound(m, 'it sets items of something odd');
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i];
    if (typeof key === 'string') dict.entries.set(key, items[i + 1] ?? null);
  }
}

function call(m: Machine): Call | Dict {
  const [callee = null, args = null] = popMany(m, 2);
  if (!isKind(callee, 'global') || !isKind(args, 'sequence')) throw unsound(m, 'it calls something odd');
  if (callee.name === orderedDict && args.items.length === 0) return { kind: 'dict', entries: new Map() };
  return { kind: 'call', name: callee.name, args: args.items };
}

function global(m: Machine, name: string): Global {
  if (name === orderedDict || m.globals.has(name)) return { kind: 'global', name };
  throw new UserError(
    `${m.path} asks for ${JSON.stringify(name.slice(0, 200))}, which is not part of a plain checkpoint. It was ` +
      'refused, and nothing in the file was run. If you trust where it comes from, load it with torch and save ' +
      'its state_dict() alone.',
  );
}

/** Whether a value is of that kind; plain values are of none. */
export function isKind<K extends Exclude<Pickled, null | boolean | number | string>['kind']>(
  value: Pickled | undefined,
  kind: K,
): value is Extract<Pickled, { readonly kind: K }> {
  return typeof value === 'object' && value !== null && value.kind === kind;
}

function unsound(m: Machine, what: string): UserError {
  return unsoundTorch(m.path, `its pickle breaks at byte ${m.at}: ${what}`);
}
