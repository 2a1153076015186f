// Where do the members of a zip file lie? Only members that are stored as they are, so each is a stretch of the file.
import { open, type FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry, type ZipFile } from 'yauzl';
import { messageOf, UserError } from '../errors.js';
import type { Stretch } from './stored.js';
import { unsoundTorch } from './unsound.js';

/** Far more than a checkpoint has; each costs memory and time. */
const mostMembers = 200_000;

/**
 * Reads the directory at the end and the header before every member; of the members nothing.
 * @returns members by name
 * @throws UserError if the file is cut short, the two disagree, a member is compressed or lies outside the file
 */
export async function openZip(path: string): Promise<ReadonlyMap<string, Stretch>> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new UserError(`${path} cannot be read (${messageOf(error)}). Give the path of a .pt file.`);
  });
  try {
    const { size } = await file.stat();
    const zip = await fromRandomAccessReaderPromise(new FileReader(file, size), size, { autoClose: false });
    const members = new Map<string, Stretch>();
    for await (const entry of zip.eachEntry()) {
      if (members.size >= mostMembers) throw unsoundTorch(path, `it has more than ${mostMembers} members`);
      if (members.has(entry.fileName)) throw unsoundTorch(path, `it holds ${entry.fileName} twice`);
      members.set(entry.fileName, await stretchOf(path, zip, entry));
    }
    return members;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw unsoundTorch(path, `its zip archive cannot be read (${messageOf(error)})`);
  } finally {
    await file.close();
  }
}

async function stretchOf(path: string, zip: ZipFile, entry: Entry): Promise<Stretch> {
  const { fileName, fileNameRaw, compressionMethod, uncompressedSize } = entry;
  if (entry.isEncrypted() || compressionMethod !== 0)
    throw unsoundTorch(path, `its member ${fileName} is compressed or encrypted, expected plain bytes`);
  const local = await zip.readLocalFileHeaderPromise(entry);
  if (!local.fileName.equals(fileNameRaw) || local.compressionMethod !== 0)
    throw unsoundTorch(path, `the header before ${fileName} and the directory at the end disagree`);
  return { path, offset: local.fileDataStart, bytes: uncompressedSize };
}

/** Reads within the file alone: offsets of a hostile file may exceed what the system call accepts. */
class FileReader extends RandomAccessReader {
  constructor(
    private readonly file: FileHandle,
    private readonly size: number,
  ) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    const short = (): Error => new Error(`it ends before byte ${position + length}`);
    if (position + length > this.size) return callback(short());
    this.file.read(buffer, offset, length, position).then(
      ({ bytesRead }) => callback(bytesRead < length ? short() : null),
      (error: unknown) => callback(new Error(messageOf(error))),
    );
  }

  override _readStreamForRange(): Readable {
    throw new Error('members are read by offset');
  }
}
