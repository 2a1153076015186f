// Which engine runs here, and why?
import type { Engine, EngineKind, RunningKind } from './engine.js';
import { UserError } from '../errors.js';
import { engines } from './engines.js';
import { int8Engine, noInt8, noInt8On, requireInt8 } from './int8.js';
import { engineOfProviders, providerRefusal, type Provider } from './providers.js';
import type { FrozenPrecision } from './tensors.js';

export interface EngineOptions {
  readonly kind: EngineKind;
  /** CPU threads; 0 takes all cores. */
  readonly threads: number;
  /** What the engine onnx computes on; the CPU unless told. */
  readonly provider?: Provider;
  /** What the weights are in that it will compile; fp32 unless told. */
  readonly frozenPrecision?: FrozenPrecision | undefined;
}

interface Choice {
  readonly kind: RunningKind;
  readonly reason: string;
}

/** What `auto` tries, in this order, and what it says of its choice; the last one runs everywhere. */
const preferences: readonly Choice[] = [
  { kind: 'cuda', reason: 'it is installed and sees a GPU' },
  { kind: 'webgpu', reason: 'there is a GPU' },
  { kind: 'onnx', reason: 'compiled graphs on the CPU; the fastest engine that npm alone installs' },
];

/** What `auto` takes on this machine. */
export async function autoChoice(): Promise<Choice> {
  for (const choice of preferences) {
    const found = await engines[choice.kind].probe();
    if (found.usable && found.isSoftware !== true) return { kind: choice.kind, reason: choice.reason };
  }
  throw new Error('no engine runs here, not even the last preference');
}

/**
 * Opens the engine asked for; `auto` takes the fastest that this machine has.
 * @throws UserError if the engine or provider asked for does not run here, or cannot multiply in 8 bits where that is
 *   asked for
 */
export async function pickEngine({
  kind,
  threads,
  provider = 'cpu',
  frozenPrecision = 'fp32',
}: EngineOptions): Promise<Engine> {
  const isInt8 = frozenPrecision === 'int8';
  if (isInt8 && kind !== 'auto' && kind !== int8Engine) throw noInt8(kind);
  const refusal = providerRefusal({ kind, provider });
  if (refusal !== undefined) throw new UserError(`engine.provider: ${refusal}`);
  if (isInt8 && provider !== 'cpu') throw noInt8On(provider);
  const choice = await choiceOf(kind, provider, isInt8);
  const engine = await engines[choice.kind].open({ threads, provider, reason: choice.reason });
  if (isInt8) await requireInt8(engine);
  return engine;
}

function choiceOf(kind: EngineKind, provider: Provider, isInt8: boolean): Choice | Promise<Choice> {
  if (kind !== 'auto') return { kind, reason: 'asked for' };
  if (provider !== 'cpu')
    return { kind: engineOfProviders, reason: `the one engine with the provider ${provider}` };
  return isInt8 ? { kind: int8Engine, reason: 'the one engine with products in 8 bits' } : autoChoice();
}
