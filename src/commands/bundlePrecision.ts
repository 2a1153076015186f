// Which numbers does the backbone of a bundle compute in? Those its heads were trained on, or a warning.
import type { OpenedBundle } from '../bundle/openBundle.js';
import type { FrozenPrecision } from '../engine/tensors.js';
import type { Terminal } from './terminal.js';

/** @param asked engine.frozenPrecision; unless given, that of the bundle */
export function bundlePrecision(
  { bundle }: Pick<OpenedBundle, 'bundle'>,
  asked: FrozenPrecision | undefined,
  terminal: Pick<Terminal, 'warn'>,
): FrozenPrecision {
  const trained = bundle.backbone.frozenPrecision;
  const precision = asked ?? trained;
  if (precision !== trained)
    terminal.warn(
      `the heads were trained on a backbone in ${trained}, and this one computes in ${precision}: expect larger errors than ` +
        'the schedule promises. Leave engine.frozenPrecision out to draw as they were trained.',
    );
  return precision;
}
