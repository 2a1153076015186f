// What does the README of a bundle say? Enough to sample with it, here or from another language.
import type { BetaKind } from '../diffusion/betas.js';
import { remembers } from '../exits/heads.js';
import { stretchesOf, type Schedule } from '../schedules/schedule.js';
import { backboneFile, type BundleDescription, type BundleDiffusion } from './description.js';

/** Markdown for a person who found the folder and nothing else. @param withOnnx whether it holds graphs of its exits */
export function bundleReadme(bundle: BundleDescription, schedule: Schedule, withOnnx = false): string {
  const { backbone, vae, diffusion, heads, fullMacs } = bundle;
  const { predicted, timesteps } = schedule;
  const share = (macs: number): string => `${percent(macs / fullMacs)} of full depth`;
  const headRows = heads.map(({ exit, kind, macs }) => `| ${exit} | ${kind} | ${share(macs)} |`);
  const stretches = stretchesOf(schedule).map(({ exit, from, to, steps }) => {
    const range = from === to ? `${from}` : `${from} to ${to}`;
    return `| ${range} | ${steps} | ${exit} |`;
  });
  const precision =
    backbone.frozenPrecision === 'int8'
      ? '\n- Precision: the heads were trained on a backbone whose blocks multiply in 8 bits, and correct what that gets wrong'
      : '';
  const pictures =
    vae === undefined
      ? ''
      : `\n- Pictures: what is drawn are latents; the autoencoder \`${plain(vae.source)}\`, fingerprint \`${plain(vae.fingerprint)}\`, makes pictures of them`;
  const memory = heads.some(({ kind }) => remembers(kind))
    ? `

These heads remember: a full-depth step keeps, for each exit in use and for each half of guidance, what is missing from the
tokens there, residual = last tokens - tokens. A \`remembered\` head adds it to its own tokens and uses the backbone's last
layer; a \`memory\` head adds (1 + scale(u)) residual + up(gelu(down([layer_norm(hidden), layer_norm(residual)]) + times(u))),
u being waves of the native t and of how much larger that of the full-depth step was (16 cosines and 16 sines each).`
    : '';
  const isTold = backbone.conditioning === 'captions';
  const isHere = backbone.source === backboneFile;
  const here = isHere
    ? `\n- \`${backboneFile}\`: weights of the backbone, under the names of its official code.`
    : '';
  const graphs = withOnnx
    ? `
- \`onnx/\`: one ONNX graph for each exit in use, all weights in one file beside them, and \`manifest.json\`, which says what
  they take and give, and all that a sampler needs beside them. Any ONNX runtime runs them, without this project.`
    : '';
  const captions = isTold
    ? `\n- Captions: it is told captions of ${backbone.spec['caption_channels']} numbers a token, as a text encoder embeds them; CAPTIONS below is a folder of them`
    : '';
  const { fewer } = predicted;
  const compute = fewer
    ? `${percent(1 / fewer.speedup)} of full depth at ${fewer.of} steps, heads included: ${fewer.speedup.toFixed(2)} times as fast`
    : `${percent(predicted.depthUsed)} of full depth, heads included: ${predicted.speedup.toFixed(2)} times as fast`;
  const halves = schedule.unconditional
    ? '; `unconditional` is what the half of guidance runs that asks for nothing, a pass of its own'
    : '';
  return `# Exit heads for ${plain(backbone.size)}

Made by exithead. With this folder ${plain(backbone.size)} samples faster: where a few blocks are enough it leaves after
them, through a small trained head; where all are needed it runs them all. The time decides. The backbone's own
weights are ${isHere ? `in \`${backbone.source}\`` : 'not here'} and are not changed.

- Backbone: ${plain(backbone.size)} from \`${plain(backbone.source)}\`, fingerprint \`${plain(backbone.fingerprint)}\`${precision}${captions}${pictures}
- Expected compute: ${compute}, counted in multiply-adds
- Expected error: a summed excess of ${predicted.excess.toPrecision(3)} (standard error at most ${predicted.excessStandardError.toPrecision(2)}) over ${timesteps.length} steps

## Sample

    exithead sample . -n 16 --solver ddim --steps ${timesteps.length}${isTold ? ' --captions CAPTIONS' : ''}

## Which exit runs when

From noise to data; exit ${schedule.available.at(-1)?.exit} is the whole backbone.

| native t | steps | exit |
| --- | --- | --- |
${stretches.join('\n')}

## Files

- \`bundle.json\`: backbone, diffusion settings, heads. Its JSON schema is in exithead's docs, like that of the schedule.
- \`${bundle.schedule}\`: \`timesteps\` (native t, from noise to data) and \`exits\` (what each of them runs)${halves}.
- \`${bundle.headsFile}\`: weights of the heads, \`exits.<exit>.<part>.<name>\`; linear layers are [out, in].${here}${graphs}

| exit | head | multiply-adds |
| --- | --- | --- |
${headRows.join('\n')}

Every head ends in a last layer of the backbone's shape (\`last\`). An \`adapter\` head first adds
up(gelu(down(layer_norm(hidden)))) to the tokens; a \`block\` head first runs one more block; a \`shared\` head has no
weights and uses the backbone's last layer; a \`low-rank\` head uses it, too, with up(down(condition)) added to the shift and
scale of its norm.${memory}

## Without exithead

Any language that reads JSON and safetensors can follow the schedule. The exit at a native t is that of the nearest
timestep; half-way, that of the one nearer data (smaller t). In Python:

\`\`\`python
import json

bundle = json.load(open("bundle.json"))
schedule = json.load(open(bundle["schedule"]))

def exit_at(t):
    steps = zip(schedule["timesteps"], schedule["exits"])
    return min(steps, key=lambda step: (abs(step[0] - t), step[0]))[1]
\`\`\`

Run the backbone's first \`exit_at(t)\` blocks, then the head of that exit; at exit ${schedule.available.at(-1)?.exit} the backbone's own last
layer. Noise: ${noise[diffusion.betas]} from ${diffusion.betaStart} to ${diffusion.betaEnd} in ${diffusion.steps} steps. Prediction: ${diffusion.prediction}. Guidance
scale: ${diffusion.guidance} (1 is unguided)${guidanceLimits(diffusion)}.
`;
}

/** Where guidance is not for all channels, or not for all times. */
function guidanceLimits({ guidanceChannels = 'all', guidanceInterval }: BundleDiffusion): string {
  return [
    ...(guidanceChannels === 'all' ? [] : [`for the first ${guidanceChannels} channels alone`]),
    ...(guidanceInterval ? [`from t ${guidanceInterval.join(' to ')}, elsewhere 1`] : []),
  ]
    .map((limit) => `, ${limit}`)
    .join('');
}

const noise: Readonly<Record<BetaKind, string>> = {
  linear: 'linear betas',
  'scaled-linear': 'betas whose square roots are linear,',
};

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** Text that came with a checkpoint must not become markup. */
function plain(text: string): string {
  return text.replaceAll(/[\s`<>[\]|]+/g, ' ').trim();
}
