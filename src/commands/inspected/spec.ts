// How is a backbone told in a few lines?
import type { BackboneSpec, DitSpec, ExitRule, TimeAxis } from '../../backbones/backbone.js';
import { unreachable } from '../../errors.js';

export function specLines(spec: BackboneSpec): string[] {
  const { depth, width, heads, tokens, patch, channels, imageSize, timeSteps } = spec;
  return [
    `blocks ${depth}, width ${width}, attention heads ${heads}, tokens ${tokens}, patches of ${patch} x ${patch}`,
    `input ${channels} x ${imageSize} x ${imageSize}, ${labelsOf(spec)}, ${timeSteps} diffusion steps, ` +
      `predicts ${spec.prediction}${spec.outChannels > channels ? ' and variance' : ''}`,
    ...familyLines(spec),
  ];
}

/** What the backbone is told. */
function labelsOf(spec: BackboneSpec): string {
  switch (spec.conditioning) {
    case 'classes':
      if (spec.classes === 0) return 'unconditional';
      return `${spec.classes} classes${spec.nullClass ? '' : ' and no null class'}`;
    case 'captions':
      return `captions of ${spec.captionTokens} tokens x ${spec.captionChannels}`;
    default:
      return unreachable(spec);
  }
}

/** What one family alone has. */
function familyLines(spec: BackboneSpec): string[] {
  switch (spec.family) {
    case 'dit':
      return ditLines(spec);
    case 'uvit':
      return [
        `native t ${nativeTimes[spec.timeAxis]}; time ${spec.timeMlp ? 'through' : 'without'} an MLP, ` +
          `${spec.finalConvolution ? 'a' : 'no'} convolution after the patches`,
        `exit rule ${spec.exitRule}: ${kept[spec.exitRule]}`,
      ];
    case 'pixart':
      return [
        `places of patches divided by ${spec.interpolation}${spec.sizeConditions ? '; size and shape of the image embedded with the time' : ''}`,
      ];
    default:
      return unreachable(spec);
  }
}

/** Where it is not as the official code has it. */
function ditLines(spec: DitSpec): string[] {
  const { timeShift, mlpNormEpsilon, projections, embedders, positions } = spec;
  const found = [
    timeShift !== 0 && `waves of time divided by ${128 - timeShift}`,
    mlpNormEpsilon !== 1e-6 && `${mlpNormEpsilon} added in the norm before the MLP`,
    projections === 'split' && 'query, key and value apart',
    embedders === 'per-block' && 'embedders of its own in every block',
    positions === 'computed' && 'positions computed',
  ].filter((line) => line !== false);
  if (found.length === 0) return [];
  return [
    `unlike the official code: ${found.join(', ')}`,
    ...(timeShift === 0
      ? []
      : [
          'if the official code trained it, and diffusers only hold it, put "time_shift": 0 into its config.json',
        ]),
  ];
}

/** At diffusion step 0..T-1. */
const nativeTimes: Readonly<Record<TimeAxis, string>> = {
  steps: 'is the diffusion step, from 0',
  'steps-from-1': 'is the diffusion step, from 1',
  continuous: 'is continuous, up to 999',
};
const kept: Readonly<Record<ExitRule, string>> = {
  skips: 'dropped blocks keep the layer that joins their long skip, so exits begin at the last encoder block',
  plain: 'dropped blocks keep nothing',
};
