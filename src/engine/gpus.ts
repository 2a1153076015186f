// Which NVIDIA GPUs does the driver show to this process?
import { readdir } from 'node:fs/promises';
import { runProgram } from './install/program.js';

/** Their names; none without a driver, or where CUDA_VISIBLE_DEVICES hides them. Never throws. */
export async function visibleGpus(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly string[]> {
  const { CUDA_VISIBLE_DEVICES: visible } = env;
  if (visible !== undefined && (visible.trim() === '' || visible.trim().startsWith('-'))) return [];
  const words = ['--query-gpu=name', '--format=csv,noheader'];
  const ran = await runProgram('nvidia-smi', words).catch(() => undefined);
  if (ran?.code === 0) return ran.stdout.split('\n').flatMap((line) => line.trim() || []);
  // Containers may have the driver without its tool.
  const devices = await readdir('/proc/driver/nvidia/gpus').catch(() => []);
  return devices.map((address) => `NVIDIA GPU at ${address}`);
}
