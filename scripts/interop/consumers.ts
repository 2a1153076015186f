// Who draws with a bundle and knows nothing of exithead? Three samplers that read its files alone.
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drawInBrowser, findChromium } from './browser.js';
import type { Reference } from './reference.js';

export interface Consumer {
  readonly name: 'python' | 'torch' | 'browser';
  /** What it is made of. */
  readonly madeOf: string;
  /** Why it cannot run here, and what to do; undefined if it can. */
  readonly missing: string | undefined;
  /**
   * Draws from the noise of a reference.
   * @returns [n, C, H, W]
   * @throws Error with what it said, if it fails
   */
  draw(bundle: string, reference: Reference): Promise<Float32Array>;
}

/** The environment that run.sh makes. */
const ownPython = '.cache/interop-python/bin/python';

/** Ends with 0 if the packages that are named can be imported; loading them would take seconds. */
const finds = 'import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))';

/** @param pythons to look in first */
export function findConsumers(pythons: readonly string[] = []): readonly Consumer[] {
  const withPackages = (...packages: string[]): string | undefined =>
    [...pythons, ownPython, 'python3', '/usr/bin/python3'].find(
      (python) => spawnSync(python, ['-c', finds, ...packages]).status === 0,
    );
  const python = withPackages('numpy', 'onnxruntime');
  const torch = withPackages('numpy', 'torch');
  const chromium = findChromium();
  return [
    {
      ...{ name: 'python', madeOf: 'Python with NumPy and onnxruntime' },
      missing: python === undefined ? 'no Python has them; `npm run interop` installs them' : undefined,
      draw: (bundle, reference) => runPython(python ?? '', 'onnx_sampler.py', bundle, reference),
    },
    {
      ...{ name: 'torch', madeOf: 'PyTorch with a DiT of its own' },
      missing:
        torch === undefined
          ? 'no Python has it; install python3-torch of the system, or torch and numpy where --python points'
          : undefined,
      draw: (bundle, reference) => runPython(torch ?? '', 'torch_sampler.py', bundle, reference),
    },
    {
      ...{ name: 'browser', madeOf: 'a page with onnxruntime-web in Chromium' },
      missing:
        chromium === undefined
          ? 'there is no Chromium; install chromium or chromium-headless-shell of the system, or name one with CHROMIUM'
          : undefined,
      draw: (bundle, reference) =>
        drawInBrowser(chromium ?? '', bundle, reference, join(reference.folder, 'page.png')),
    },
  ];
}

async function runPython(
  python: string,
  script: string,
  bundle: string,
  { noise, labels, folder }: Reference,
): Promise<Float32Array> {
  const out = join(folder, `${script}.f32`);
  const files = ['--noise', noise, '--labels', labels, '--out', out];
  const words = [join(import.meta.dirname, script), bundle, ...files];
  const { status, stderr, error } = spawnSync(python, ['-B', ...words], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${error?.message ?? ''}${stderr}`);
  const { buffer, byteOffset, byteLength } = await readFile(out);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
