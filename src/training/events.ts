// How does TensorBoard get to see a run? Event files: an Event per record, appended as the run goes.
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { isCode, writing } from '../files/disk.js';
import { EventSchema, SessionLog_SessionStatus } from './gen/event_pb.js';
import { tfRecord } from './tfrecord.js';

/** An encoded image with what TensorBoard wants to know of it. */
export interface EventImage {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 RGB, 4 RGBA. */
  readonly channels: 1 | 3 | 4;
  readonly png: Uint8Array;
}

/**
 * Starts a new event file and returns its path. TensorBoard joins all files of a folder and forgets what older ones
 * hold beyond `done` steps, so a resumed run draws no line twice.
 * @param done number of steps done before
 * @param time seconds since 1970
 */
export async function createEventFile(folder: string, done: number, time: number): Promise<string> {
  const head = Buffer.concat([
    record({ wallTime: time, what: { case: 'fileVersion', value: 'brain.Event:2' } }),
    record({
      wallTime: time,
      step: BigInt(done + 1),
      what: { case: 'sessionLog', value: { status: SessionLog_SessionStatus.START } },
    }),
  ]);
  await writing(folder, () => mkdir(folder, { recursive: true }));
  const name = join(folder, `events.out.tfevents.${Math.floor(time)}.exithead`);
  // Sessions that start in the same second differ in a suffix, which also keeps their order.
  for (let n = 0; ; n++) {
    const path = n === 0 ? name : `${name}.${n}`;
    try {
      await writing(path, () => writeFile(path, head, { flag: 'wx' }));
      return path;
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
    }
  }
}

/** Appends numbers of one step. @param time seconds since 1970 */
export function appendScalars(
  path: string,
  step: number,
  time: number,
  values: Readonly<Record<string, number>>,
): Promise<void> {
  const value = Object.entries(values).map(([tag, x]) => ({
    tag,
    value: { case: 'simpleValue' as const, value: x },
  }));
  return append(path, { wallTime: time, step: BigInt(step), what: { case: 'summary', value: { value } } });
}

/** Appends an image of one step. @param time seconds since 1970 */
export function appendImage(
  path: string,
  step: number,
  time: number,
  tag: string,
  { width, height, channels, png }: EventImage,
): Promise<void> {
  const image = { width, height, colorspace: channels, encodedImageString: png };
  const value = [{ tag, value: { case: 'image' as const, value: image } }];
  return append(path, { wallTime: time, step: BigInt(step), what: { case: 'summary', value: { value } } });
}

function append(path: string, event: MessageInitShape<typeof EventSchema>): Promise<void> {
  return writing(path, () => appendFile(path, record(event)));
}

function record(event: MessageInitShape<typeof EventSchema>): Uint8Array {
  return tfRecord(toBinary(EventSchema, create(EventSchema, event)));
}
