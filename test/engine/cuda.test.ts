import { spawnSync } from 'node:child_process';
import { expect, it } from '@jest/globals';
import { visibleGpus } from '../../src/engine/gpus.js';
import { engineFolder } from '../../src/engine/install/folder.js';
import { installed } from '../../src/engine/install/install.js';
import { describeIf } from './present.js';

// Its library has the names of native's, so a process of its own opens it.
const source = `import { pickEngine } from './src/engine/pick.js';
  import { checkEngine, toleranceOf } from './src/evaluate/checkEngine.js';
  const engine = await pickEngine({ kind: 'cuda', threads: 0 });
  const { kind, reason, device } = engine;
  const cases = await checkEngine(engine, await pickEngine({ kind: 'onnx', threads: 0 }));
  console.log(JSON.stringify({ kind, reason, device, tolerance: toleranceOf(engine), cases }));`;

interface Said {
  readonly kind: string;
  readonly reason: string;
  readonly device?: string;
  readonly tolerance: number;
  readonly cases: readonly { readonly difference: number }[];
}

const facts = await installed(engineFolder('cuda'));
const why = facts ? undefined : 'it is not installed; install it: npm run exithead -- engine install cuda';
describeIf('cuda', why, 'the engine cuda', () => {
  it('computes as onnx does, on the GPU where there is one, and says where there is none', async () => {
    const words = ['--import', 'tsx', '--input-type=module', '-e', source];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const { kind, reason, device, tolerance, cases } = JSON.parse(stdout) as Said;
    const gpus = await visibleGpus();
    expect(kind).toBe('cuda');
    expect(device).toBe(gpus.length > 0 ? gpus.join(', ') : undefined);
    if (gpus.length === 0)
      expect(reason).toBe(
        'asked for; no NVIDIA GPU is visible, so TensorFlow computes on the CPU, where onnx is faster',
      );
    expect(cases.length).toBeGreaterThan(3);
    // With products in full precision a GPU rounds as a CPU does.
    const allowed = process.env['NVIDIA_TF32_OVERRIDE'] === '0' ? 1e-4 : tolerance;
    for (const { difference } of cases) expect(difference).toBeLessThan(allowed);
  }, 240_000);
});
