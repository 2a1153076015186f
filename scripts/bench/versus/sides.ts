// Who takes part in a comparison? Each side is one process that does the work of a case when it is told to.
import type { RunningKind } from '../../../src/engine/engine.js';
import type { FrozenPrecision } from '../../../src/engine/tensors.js';
import { UserError } from '../../../src/errors.js';

export type Side =
  | {
      readonly by: 'exithead';
      readonly engine: RunningKind;
      /** Numbers that the frozen backbone computes in. */
      readonly dtype: FrozenPrecision;
      /** Whether sampling follows the schedule. */
      readonly scheduled: boolean;
    }
  | {
      readonly by: 'torch';
      /** freeze: torch.compile that may fold and repack weights, for work without gradients. */
      readonly mode: 'eager' | 'compile' | 'freeze';
      readonly dtype: 'fp32' | 'bf16';
      readonly scheduled: boolean;
    };

const plain = { scheduled: false } as const;
const scheduled = { scheduled: true } as const;
const torch = { by: 'torch', mode: 'eager', dtype: 'fp32', ...plain } as const;

const onnx = { by: 'exithead', engine: 'onnx', dtype: 'fp32', ...plain } as const;

const known = {
  onnx,
  'onnx scheduled': { ...onnx, ...scheduled },
  'onnx int8': { ...onnx, dtype: 'int8' },
  'onnx int8 scheduled': { ...onnx, dtype: 'int8', ...scheduled },
  wasm: { ...onnx, engine: 'wasm' },
  'torch eager': torch,
  'torch compile': { ...torch, mode: 'compile' },
  'torch freeze': { ...torch, mode: 'freeze' },
  'torch scheduled': { ...torch, ...scheduled },
  'torch bf16': { ...torch, dtype: 'bf16' },
  'torch bf16 compile': { ...torch, mode: 'compile', dtype: 'bf16' },
} as const satisfies Record<string, Side>;

export type SideName = keyof typeof known;
export const sides: Readonly<Record<SideName, Side>> = known;

/** @throws UserError listing the sides there are */
export function sideNames(list: string): SideName[] {
  return list.split(',').map((name) => {
    if (!Object.hasOwn(sides, name))
      throw new UserError(`there is no side ${name}; those are ${Object.keys(sides).join(', ')}.`);
    return name as SideName;
  });
}
