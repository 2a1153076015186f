// Small .pt files made by hand: opcodes of a pickle, and a zip archive around them.
import { crc32 } from 'node:zlib';

/** Pieces of a pickle, latin1: one character is one byte. */
const u32 = (n: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  return bytes.toString('latin1');
};
export const text = (value: string): string =>
  `X${u32(Buffer.byteLength(value))}${Buffer.from(value).toString('latin1')}`;
/** As a long, which any safe integer fits. */
export const whole = (value: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return `\x8a\x08${bytes.toString('latin1')}`;
};
export const tuple = (...items: readonly string[]): string => `(${items.join('')}t`;
export const dict = (entries: Readonly<Record<string, string>>): string =>
  `}(${Object.entries(entries)
    .map(([key, value]) => text(key) + value)
    .join('')}u`;
export const global = (module: string, name: string): string => `c${module}\n${name}\n`;
export const pickle = (body: string): Buffer => Buffer.from(`\x80\x02${body}.`, 'latin1');

export interface MadeTensor {
  readonly storage?: string;
  readonly type?: string;
  readonly length: number;
  readonly start?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export function tensor({
  storage = '0',
  type = 'FloatStorage',
  length,
  start = 0,
  shape,
  strides,
}: MadeTensor): string {
  const id = tuple(text('storage'), global('torch', type), text(storage), text('cpu'), whole(length));
  const hooks = `${global('collections', 'OrderedDict')})R`;
  const args = tuple(
    `${id}Q`,
    whole(start),
    tuple(...shape.map(whole)),
    tuple(...strides.map(whole)),
    '\x89',
    hooks,
  );
  return `${global('torch._utils', '_rebuild_tensor_v2')}${args}R`;
}

interface Member {
  readonly name: string;
  readonly data: Uint8Array;
  /** 8 is deflate; what is written is always as given. */
  readonly method?: number;
  /** The name in the header before the member, where it differs. */
  readonly localName?: string;
}

/** A zip archive of stored members. */
export function zip(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, data, method = 0, localName = name } of members) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, rest, Buffer.from(name));
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(localName), data]);
    parts.push(local);
    at += local.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** A checkpoint as torch.save lays it out. */
export function checkpoint(body: string, storages: Readonly<Record<string, Uint8Array>> = {}): Buffer {
  return zip([
    { name: 'made/data.pkl', data: pickle(body) },
    { name: 'made/byteorder', data: Buffer.from('little') },
    ...Object.entries(storages).map(([key, data]) => ({ name: `made/data/${key}`, data })),
  ]);
}
