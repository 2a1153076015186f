// What does a config say of training the backbone itself, what it leaves out included?
import type { z } from 'zod';
import { unreachable } from '../errors.js';
import type { TrainConfig } from './schema.js';
import { finetuneSection, loraSection } from './sections.js';

export interface Tuning {
  readonly finetune: Readonly<z.output<typeof finetuneSection>>;
  readonly lora: Readonly<z.output<typeof loraSection>>;
  /** Learning rate and averages of what moves, instead of those of heads. */
  readonly optimizer: { readonly lr: number; readonly ema: number };
}

/** Both sections are absent in mode frozen, where they mean nothing. */
export function tuningOf(config: Pick<TrainConfig, 'mode' | 'finetune' | 'lora'>): Tuning {
  const finetune = finetuneSection.parse(config.finetune ?? {});
  const lora = loraSection.parse(config.lora ?? {});
  const lr = config.mode === 'lora' ? lora.lr : finetune.lr;
  return { finetune, lora, optimizer: { lr, ema: finetune.ema } };
}

/** The config with every key of those sections that its mode reads. */
export function withTuning(config: TrainConfig): TrainConfig {
  const { finetune, lora } = tuningOf(config);
  switch (config.mode) {
    case 'frozen':
      return config;
    case 'finetune':
      return { ...config, finetune };
    case 'lora':
      return { ...config, finetune, lora };
    default:
      return unreachable(config.mode);
  }
}
