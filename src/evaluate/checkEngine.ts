// Does an engine compute what the reference computes?
import type { Engine } from '../engine/engine.js';
import type { HostTensors } from '../engine/tensors.js';
import { engineCases, type EngineCase } from './engineCases.js';

export interface CaseResult {
  readonly name: string;
  /** Largest difference of any number, as a part of the largest number of its tensor; infinite where one is NaN. */
  readonly difference: number;
  readonly isRight: boolean;
  /** Why it did not run to its end. */
  readonly failure?: string;
}

/** Rounding alone stays below this; products on GPUs have as few as 10 bits of mantissa (TF32). */
export function toleranceOf({ device }: Pick<Engine, 'device'>): number {
  return device === undefined ? 1e-4 : 1e-2;
}

/**
 * Runs all cases on both engines, one after the other.
 * @param onResult hears of each as it is done
 */
export async function checkEngine(
  engine: Engine,
  reference: Engine,
  onResult: (result: CaseResult) => void = () => undefined,
): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  for (const one of await engineCases()) {
    const result = await checkCase(one, engine, reference);
    results.push(result);
    onResult(result);
  }
  return results;
}

async function checkCase(one: EngineCase, engine: Engine, reference: Engine): Promise<CaseResult> {
  const { name } = one;
  const expected = await numbersOf(one, reference);
  try {
    const difference = worstDifference(await numbersOf(one, engine), expected);
    return { name, difference, isRight: difference <= toleranceOf(engine) };
  } catch (error) {
    // A kernel that is missing is a result, too.
    const failure = error instanceof Error ? error.message : String(error);
    return { name, difference: Infinity, isRight: false, failure };
  }
}

/** Results of every call, and the state after the last. */
async function numbersOf({ step, options, feeds }: EngineCase, engine: Engine): Promise<HostTensors> {
  const compiled = await engine.compile(step, options);
  try {
    const all: Record<string, HostTensors[string]> = {};
    for (const [call, given] of feeds.entries())
      for (const [name, tensor] of Object.entries(await compiled(given)))
        all[`call ${call}/${name}`] = { shape: tensor.shape, data: tensor.data.slice() };
    for (const [name, tensor] of Object.entries(await compiled.read())) all[`state/${name}`] = tensor;
    return all;
  } finally {
    await compiled.dispose();
  }
}

function worstDifference(actual: HostTensors, expected: HostTensors): number {
  let worst = 0;
  for (const [name, { data }] of Object.entries(expected)) {
    const found = actual[name]?.data;
    if (found?.length !== data.length) return Infinity;
    const scale = Array.from(data).reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
    for (let i = 0; i < data.length; i++) {
      const difference = Math.abs((found[i] ?? NaN) - (data[i] ?? NaN)) / scale;
      if (Number.isNaN(difference)) return Infinity;
      worst = Math.max(worst, difference);
    }
  }
  return worst;
}
