// Config files for one test, in a folder of its own.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig, type Loaded } from '../../src/config/load.js';
import type { ConfigKind } from '../../src/config/schema.js';

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** Writes files into a new folder, which is gone after the test file, and returns its path. */
export function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'exithead-config-'));
  made.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** The least that `train` needs. */
export const least = 'backbone: { path: model }\ndata: { kind: mnist }\ntrain: { steps: 10 }\n';

export function load<Kind extends ConfigKind>(
  path: string,
  kind: Kind,
  set: readonly string[] = [],
): Promise<Loaded<Kind>> {
  return loadConfig(path, { kind, set: set.map(parseSetting) });
}

/** The message with which loading ends, without the folder. */
export async function messageFrom(
  path: string,
  set: readonly string[] = [],
  kind: ConfigKind = 'train',
): Promise<string> {
  try {
    await load(path, kind, set);
  } catch (error) {
    if (error instanceof UserError) return error.message.replaceAll(`${dirname(path)}/`, '');
    throw error;
  }
  throw new Error('the config loaded');
}
