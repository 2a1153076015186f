// Which engine runs here, and why?
import type { Engine, EngineKind, RunningKind } from './engine.js';
import { engines } from './engines.js';

export interface EngineOptions {
  readonly kind: EngineKind;
  /** CPU threads; 0 takes all cores. */
  readonly threads: number;
}

/** What `auto` tries, in this order, and what it says of its choice; the last one runs everywhere. */
const preferences: readonly { readonly kind: RunningKind; readonly reason: string }[] = [
  { kind: 'onnx', reason: 'compiled graphs on the CPU; the fastest engine that npm alone installs' },
];

/** What `auto` takes on this machine. */
export async function autoChoice(): Promise<{ readonly kind: RunningKind; readonly reason: string }> {
  for (const choice of preferences) {
    const found = await engines[choice.kind].probe();
    if (found.usable) return { kind: choice.kind, reason: choice.reason };
  }
  throw new Error('no engine runs here, not even the last preference');
}

/**
 * Opens the engine asked for; `auto` takes the fastest that this machine has.
 * @throws UserError if the engine asked for does not run here
 */
export async function pickEngine({ kind, threads }: EngineOptions): Promise<Engine> {
  const choice = kind === 'auto' ? await autoChoice() : { kind, reason: 'asked for' };
  return engines[choice.kind].open({ threads, reason: choice.reason });
}
