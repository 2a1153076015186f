// Which keys go with which mode of training?
import type { z } from 'zod';
import type * as sections from '../sections.js';
import type { Rule } from './rule.js';

interface HasMode {
  readonly mode: z.output<typeof sections.modeSection>;
  readonly heads: z.output<typeof sections.headsSection>;
  readonly loss: z.output<typeof sections.lossSection>;
  readonly engine: z.output<typeof sections.frozenEngineSection>;
  readonly finetune?: z.output<typeof sections.finetuneSection> | undefined;
  readonly lora?: z.output<typeof sections.loraSection> | undefined;
}

const [oneExit, oneTarget] = [
  'every sample has one exit',
  'there is no full backbone to imitate but the one that moves',
];

/** What the loss of a frozen backbone's heads has and that of a backbone that moves has not: its usual value, and why. */
const ofFrozenLoss = {
  exitWeights: ['uniform', oneExit],
  curriculum: ['all', oneExit],
  denoising: [1, oneTarget],
  distillation: [1, oneTarget],
  sensitivity: [undefined, oneTarget],
  variance: ['inherit', 'the variance learns by its bound, as the backbone did'],
} as const;

const ofFrozenMode = (key: keyof typeof ofFrozenLoss): Rule<HasMode> => ({
  keys: [['loss', key], ['mode']],
  broken: ({ mode, loss }) => {
    const [usual, why] = ofFrozenLoss[key];
    if (mode === 'frozen' || loss[key] === usual) return undefined;
    const remedy = usual === undefined ? 'remove it' : `set loss.${key}=${usual}`;
    return `goes with mode frozen, and mode is ${mode}, in which ${why}; ${remedy}`;
  },
});

export const modeRules: readonly Rule<HasMode>[] = [
  {
    keys: [['finetune'], ['mode']],
    broken: ({ mode, finetune }) =>
      mode === 'frozen' && finetune !== undefined
        ? 'goes with mode finetune or lora, and mode is frozen; set mode, or remove this section'
        : undefined,
  },
  {
    keys: [['lora'], ['mode']],
    broken: ({ mode, lora }) =>
      mode !== 'lora' && lora !== undefined
        ? `goes with mode lora, and mode is ${mode}; set mode, or remove this section`
        : undefined,
  },
  {
    keys: [['finetune', 'form'], ['loss', 'times'], ['mode']],
    broken: ({ mode, finetune, loss: { times } }) =>
      mode !== 'frozen' && (finetune?.form ?? 'skip') === 'skip' && times !== 'stratified'
        ? `is skip, which needs loss.times stratified, and that is ${times}; set finetune.form=gather, or change the times`
        : undefined,
  },
  {
    keys: [['engine', 'frozenPrecision'], ['mode']],
    broken: ({ mode, engine: { frozenPrecision } }) =>
      mode !== 'frozen' && frozenPrecision !== 'fp32'
        ? `is ${frozenPrecision}, expected fp32: in mode ${mode} the backbone is trained`
        : undefined,
  },
  {
    keys: [['heads', 'kind'], ['mode']],
    broken: ({ mode, heads: { kind } }) =>
      mode !== 'frozen' && (kind === 'memory' || kind === 'remembered')
        ? `is ${kind}, and mode is ${mode}, in which samples come without a full-depth step before them; choose another kind`
        : undefined,
  },
  {
    keys: [['heads', 'exits'], ['mode']],
    broken: ({ mode, heads: { exits } }) =>
      mode !== 'frozen' && exits !== 'all'
        ? `lists exits, and mode is ${mode}, in which finetune.exits and finetune.schedule say where each time leaves; set heads.exits=all`
        : undefined,
  },
  ...(Object.keys(ofFrozenLoss) as (keyof typeof ofFrozenLoss)[]).map(ofFrozenMode),
  {
    keys: [
      ['finetune', 'exits'],
      ['finetune', 'schedule'],
    ],
    broken: ({ finetune }) =>
      finetune?.schedule !== undefined && finetune.exits !== 'ase'
        ? 'lists exits beside finetune.schedule, which says the same; keep one of them'
        : undefined,
  },
];
