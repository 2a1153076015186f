// Is a file on the disk the one that the hub holds? Its checksum says so: SHA-256 of large files, git's own of others.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export interface Checksum {
  /** `sha256` of the bytes; `git`, SHA-1 of git's header and the bytes. */
  readonly kind: 'sha256' | 'git';
  readonly hex: string;
}

/** @throws an AbortError if `signal` aborts */
export async function hasChecksum(
  path: string,
  bytes: number,
  { kind, hex }: Checksum,
  signal: AbortSignal,
): Promise<boolean> {
  const hash = kind === 'git' ? createHash('sha1').update(`blob ${bytes}\0`) : createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
  return hash.digest('hex') === hex;
}
