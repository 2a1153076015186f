import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { appendImage, appendScalars, createEventFile } from '../../src/training/events.js';
import { EventSchema, SessionLog_SessionStatus, type Event } from '../../src/training/gen/event_pb.js';
import { temporaryFolders } from '../folder.js';
import { recordsOf } from './read-records.js';

const folder = temporaryFolders();
const eventsIn = async (path: string): Promise<Event[]> =>
  recordsOf(await readFile(path)).map((data) => fromBinary(EventSchema, data));

describe('event files', () => {
  it('start with their version and with the first step that is theirs', async () => {
    const path = await createEventFile(join(await folder(), 'tensorboard'), 40, 1700000000.5);
    expect(basename(path)).toBe('events.out.tfevents.1700000000.exithead');
    const [version, session] = await eventsIn(path);
    expect(version?.wallTime).toBe(1700000000.5);
    expect(version?.what).toEqual({ case: 'fileVersion', value: 'brain.Event:2' });
    expect(session?.step).toBe(41n);
    expect(session?.what.value).toMatchObject({ status: SessionLog_SessionStatus.START });
  });
  it('hold scalars and images by step', async () => {
    const path = await createEventFile(await folder(), 0, 1);
    await appendScalars(path, 3, 2.5, { loss: 0.25, 'loss.4': -1e-3 });
    const png = Uint8Array.of(1, 2, 3);
    await appendImage(path, 2 ** 40, 3, 'samples', { width: 5, height: 7, channels: 3, png });
    const [, , scalars, image] = await eventsIn(path);
    expect(scalars).toMatchObject({ step: 3n, wallTime: 2.5 });
    expect(scalars?.what.value).toMatchObject({
      value: [
        { tag: 'loss', value: { case: 'simpleValue', value: 0.25 } },
        { tag: 'loss.4', value: { case: 'simpleValue', value: Math.fround(-1e-3) } },
      ],
    });
    expect(image?.step).toBe(BigInt(2 ** 40));
    expect(image?.what.value).toMatchObject({
      value: [
        {
          tag: 'samples',
          value: { case: 'image', value: { width: 5, height: 7, colorspace: 3, encodedImageString: png } },
        },
      ],
    });
  });
  it('never touch those of an earlier session, not even within a second', async () => {
    const path = await folder();
    for (let n = 0; n < 3; n++) await createEventFile(path, n, 7);
    expect((await readdir(path)).sort()).toEqual(
      ['', '.1', '.2'].map((suffix) => `events.out.tfevents.7.exithead${suffix}`),
    );
  });
  it('say so when their folder cannot be', async () => {
    const path = join(await folder(), 'file');
    await writeFile(path, '');
    await expect(createEventFile(join(path, 'tensorboard'), 0, 1)).rejects.toThrow(UserError);
  });
});
