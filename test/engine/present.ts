// What happens to the tests of an engine that does not run here? They are skipped aloud, or fail where it was promised.
import { describe, it } from '@jest/globals';
import type { RunningKind } from '../../src/engine/engine.js';
import { engines, type Availability } from '../../src/engine/engines.js';
import { pickEngine } from '../../src/engine/pick.js';
import type { Provider } from '../../src/engine/providers.js';
import { messageOf } from '../../src/errors.js';

/** Engines that this machine is said to run, separated by commas; their absence is a failure. */
const promised = (process.env['EXITHEAD_TEST_ENGINES'] ?? '').split(',');

/** Declares tests that need an engine. @param name of the block of tests */
export async function describeOn(kind: RunningKind, name: string, tests: () => void): Promise<void> {
  const found: Availability = await engines[kind].probe();
  describeIf(kind, found.usable ? undefined : `${found.why}\n  ${found.remedy}`, name, tests);
}

/** The same of a provider of the engine onnx, which is promised as onnx:<provider>. */
export async function describeOnProvider(provider: Provider, name: string, tests: () => void): Promise<void> {
  const why = await pickEngine({ kind: 'onnx', threads: 0, provider }).then(() => undefined, messageOf);
  describeIf(`onnx:${provider}`, why, name, tests);
}

/** The same, where more or less than running is needed. @param why not; undefined where nothing is missing */
export function describeIf(
  kind: RunningKind | `onnx:${Provider}`,
  why: string | undefined,
  name: string,
  tests: () => void,
): void {
  if (why === undefined) return describe(name, tests);
  const reason = `engine ${kind} does not run here: ${why}`;
  if (promised.includes(kind)) {
    return describe(name, () => {
      it(`runs on ${kind}, as EXITHEAD_TEST_ENGINES says`, () => {
        throw new Error(reason);
      });
    });
  }
  process.stderr.write(`\nSKIPPED: ${name}: ${reason}\n`);
  describe.skip(name, tests);
}
