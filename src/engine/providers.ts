// Which execution providers of onnxruntime may be asked for, and with which engine?
import type { EngineKind } from './engine.js';

/** Under onnxruntime's own names; `cpu` is always there. */
export const providers = ['cpu', 'cuda', 'tensorrt', 'webgpu', 'dml', 'coreml'] as const;
export type Provider = (typeof providers)[number];

export const engineOfProviders = 'onnx' satisfies EngineKind;

/** Why an engine does not go with a provider, to follow the name of the key; undefined if it does. */
export function providerRefusal({
  kind,
  provider,
}: {
  readonly kind: EngineKind;
  readonly provider: Provider;
}): string | undefined {
  if (provider === 'cpu' || kind === 'auto' || kind === engineOfProviders) return undefined;
  return `found ${provider}, but engine.kind is ${kind}, and only ${engineOfProviders} has providers; set engine.kind to ${engineOfProviders}, or remove this`;
}
