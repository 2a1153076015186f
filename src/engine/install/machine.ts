// Which files would an engine be made of on this machine, if any?
import { UserError } from '../../errors.js';
import type { InstallKind } from './folder.js';
import { cudaPins, nativePins, tfjsVersion, type Pins } from './pins.js';

export interface Machine {
  /** As `process.platform` has it. */
  readonly platform: string;
  /** As `process.arch` has it. */
  readonly arch: string;
  /** On Linux: version of the GNU C library, or undefined where there is another one. */
  readonly glibc?: string | undefined;
}

/** What the wheels for Linux are built against. */
const oldestGlibc = '2.27';

export function thisMachine(): Machine {
  const { platform, arch } = process;
  if (platform !== 'linux') return { platform, arch };
  const report = process.report.getReport() as unknown as {
    readonly header?: { readonly glibcVersionRuntime?: string };
  };
  return { platform, arch, glibc: report.header?.glibcVersionRuntime };
}

/**
 * What to install.
 * @throws UserError where TensorFlow publishes no wheel, with what to do instead
 */
export function pinsFor(kind: InstallKind, machine: Machine): Pins {
  const { platform, arch, glibc } = machine;
  const table = kind === 'native' ? nativePins : cudaPins;
  const pins = table[`${platform} ${arch}`];
  const here = `${platform} ${arch}`;
  if (pins === undefined)
    throw new UserError(
      `engine ${kind} cannot be installed on ${here}: there is no TensorFlow wheel with the library it needs ` +
        `(there is one for ${Object.keys(table).join(', ')}). ${instead(kind, platform)}`,
    );
  if (platform === 'linux' && (glibc === undefined || isOlder(glibc, oldestGlibc)))
    throw new UserError(
      `engine ${kind} cannot be installed here: TensorFlow's wheels need the GNU C library ${oldestGlibc} or newer, ` +
        `found ${glibc ?? 'another C library'}. Use a newer distribution, or engine onnx.`,
    );
  return pins;
}

function instead(kind: InstallKind, platform: string): string {
  if (kind === 'cuda') return 'Use engine onnx, which runs everywhere.';
  if (platform !== 'win32') return 'Use engine onnx, which is the fastest on most CPUs anyway.';
  return (
    `On Windows, put TensorFlow.js's stock package beside exithead, npm install @tensorflow/tfjs-node@${tfjsVersion}, ` +
    'and engine native takes it; or use engine onnx.'
  );
}

function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) < 0;
}
