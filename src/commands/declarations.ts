// What does each verb take? Positionals, flags and examples, apart from its work, so that help loads no library.
import { layouts } from '../backbones/layout.js';
import type { LatentDtype } from '../data/latentsIndex.js';
import { engineKinds } from '../engine/engine.js';
import { providers } from '../engine/providers.js';
import type { shownErrors as errors, shownKinds as kinds } from '../schedules/shownErrors.js';
import { declare, type Shortcut } from './verb.js';

/** Named here again, as `latentDtypes`, so that help loads nothing of what they show. */
const shownErrors = ['excess', 'error'] as const satisfies typeof errors;
const shownKinds = ['epsilon', 'x0', 'v'] as const satisfies typeof kinds;

export const inspect = declare({
  examples: [
    ['exithead inspect models/mnist-dit', 'a folder with config.json and weights'],
    ['exithead inspect DiT-XL-2-256x256.pt', 'an official checkpoint that stands alone'],
    ['exithead inspect imagenet256_uvit_huge.pth --exit-rule plain', 'one with two ways to leave it'],
    ['exithead inspect bundle', 'a bundle, checked against its backbone'],
    ['exithead inspect runs/001-mnist-heads/heads.safetensors', 'a file of a run, checked against the rest'],
  ],
  positional: {
    name: 'path',
    meaning:
      'anything: backbone or autoencoder (folder, .safetensors, .pt, .pth), run, bundle, stored latents or captions, a file in one of them, config',
    required: true,
  },
  common: [],
  options: {
    size: { type: 'string', meaning: 'published size such as DiT-XL/2, if there is no config.json' },
    'image-size': { type: 'number', meaning: 'with --size: side of the input' },
    'exit-rule': {
      type: 'string',
      meaning: 'what an early exit of a U-ViT still runs of its long skips',
      choices: ['skips', 'plain'],
    },
    config: { type: 'string', meaning: 'config.json of a backbone, if it lies elsewhere' },
    weights: {
      type: 'string',
      meaning: 'which weights of a .pt file',
      choices: ['auto', 'ema', 'model'],
    },
    backbone: {
      type: 'string',
      meaning: 'of a bundle, heads, a schedule or an error table: where the backbone is',
    },
  },
});

export const convert = declare({
  examples: [
    ['exithead convert models/mnist-dit --to diffusers --out digits', 'a folder that diffusers load'],
    ['exithead convert DiT-XL-2-256/transformer --to official --out official', 'the other way'],
    ['exithead convert models/mnist-dit --to diffusers --dry-run', 'say what would not be equivalent'],
    ['exithead convert models/mnist-dit --to official --labels 3,5,new --out threes', 'with other classes'],
  ],
  positional: {
    name: 'path',
    meaning: 'a DiT (folder, .safetensors, .pt or .pth), of the official code or of diffusers',
    required: true,
  },
  common: ['out', 'dry-run'],
  options: {
    to: { type: 'string', meaning: 'whose names and layout to write', choices: layouts },
    size: { type: 'string', meaning: 'published size such as DiT-XL/2, if there is no config.json' },
    'image-size': { type: 'number', meaning: 'with --size: side of the input' },
    config: { type: 'string', meaning: 'config.json of the backbone, if it lies elsewhere' },
    labels: {
      type: 'string',
      meaning: 'classes it shall know instead of its own, such as 207,0-9,mean,none,new, or unconditional',
    },
    weights: {
      type: 'string',
      meaning: 'which weights of a .pt file',
      choices: ['auto', 'ema', 'model'],
    },
  },
});

/** Named here again so that help loads no reader of latents. */
const latentDtypes = ['F16', 'F32'] as const satisfies readonly LatentDtype[];

export const encode = declare({
  examples: [
    [
      'exithead encode photos --vae sd-vae --out latents --test-share 0.1',
      'latents to train on and others held out',
    ],
    ['exithead encode photos --vae sd-vae --out latents --dry-run', 'say how many, how large and how long'],
    ['exithead encode photos --vae sd-vae --out latents --resume', 'go on with one that was stopped'],
    ['exithead encode photos --vae sd-vae --out mirrored --flips', 'also of the mirrored images'],
    ['exithead encode photos --vae sd-vae --out told --captions', 'a label for the text beside each image'],
  ],
  positional: {
    name: 'images',
    meaning: 'folder of images, with one folder a class or all in one',
    required: true,
  },
  common: ['out', 'resume', 'dry-run'],
  options: {
    vae: {
      type: 'string',
      meaning: 'autoencoder: a folder of diffusers, a .safetensors or .pt file, or hf://owner/name',
    },
    'image-size': { type: 'number', meaning: 'side of the square crops in pixels; 256 unless given' },
    'test-share': {
      type: 'number',
      meaning:
        'share of the images to hold out, drawn by their names: writes train/ and test/; 0 unless given',
    },
    flips: { type: 'boolean', meaning: 'encode the mirrored images, too; wrong for digits and letters' },
    dtype: { type: 'string', meaning: 'how numbers are stored; F16 unless given', choices: latentDtypes },
    shard: { type: 'number', meaning: 'images in a file, at most; 512 unless given' },
    limit: { type: 'number', meaning: 'images to take at most, drawn by their names', alias: 'n' },
    classes: {
      type: 'string',
      meaning: 'text with the name of one class folder a line, in the order of their labels',
    },
    captions: {
      type: 'boolean',
      meaning: 'labels are numbers of captions: cat.txt beside cat.jpg; writes captions.txt, one a line',
    },
    'skip-broken': { type: 'boolean', meaning: 'leave out files that hold no sound image' },
    engine: { type: 'string', meaning: 'what computes; auto unless given', choices: engineKinds },
    provider: {
      type: 'string',
      meaning: 'what the engine onnx computes on; the CPU unless given',
      choices: providers,
    },
    threads: { type: 'number', meaning: 'CPU threads; all cores unless given' },
  },
});

export const pretrain = declare({
  examples: [
    ['exithead pretrain configs/mnist/pretrain.yaml', 'make the digit backbone of models/mnist-dit'],
    ['exithead pretrain configs/mnist/pretrain.yaml --dry-run', 'say what that takes on this machine'],
    ['exithead pretrain runs/001-mnist-pretrain --resume', 'go on with a run that was stopped'],
  ],
  positional: { name: 'config', meaning: 'YAML file, or the folder of a run to resume', required: true },
  common: ['config', 'set', 'out', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'pretrain',
  options: {},
});

export const train = declare({
  examples: [
    ['exithead train configs/mnist/heads.yaml', 'train the heads of a config'],
    ['exithead train configs/mnist/heads.yaml --set heads.kind=block', 'the same with one key changed'],
    ['exithead train configs/mnist/heads.yaml --dry-run', 'check all of it and say what it takes'],
    ['exithead train configs/mnist/heads.yaml --resume', 'go on with its newest run'],
    ['exithead train runs/002-mnist-heads --resume', 'go on with that run'],
  ],
  positional: { name: 'config', meaning: 'YAML file, or the folder of a run to resume', required: true },
  common: ['config', 'set', 'out', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'train',
  options: {},
});

export const profile = declare({
  examples: [
    ['exithead profile runs/001-mnist-heads', 'measure all exits of a run'],
    ['exithead profile runs/001-mnist-heads --samples 10000', 'on more images: smaller standard errors'],
    ['exithead profile runs/001-mnist-heads --resume', 'go on with a measurement that was stopped'],
    ['exithead profile runs/001-mnist-heads --shard 2/4', 'a quarter of it, beside three others'],
    ['exithead profile runs/001-mnist-heads --merge', 'one table of all quarters'],
    [
      'exithead profile runs/001-mnist-heads --sensitivity',
      'how far a mistake at each step moves the final sample',
    ],
    [
      'exithead profile runs/001-mnist-heads --trajectories --dry-run',
      'what it costs to follow every exit through trajectories',
    ],
    ['exithead profile runs/001-mnist-heads --trajectories --resume', 'go on with that, once it was stopped'],
  ],
  positional: { name: 'run', meaning: 'folder of a finished `exithead train`', required: true },
  common: ['set', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'train',
  shortcuts: { samples: { key: 'profile.samples', alias: 'n' }, bins: { key: 'profile.bins' } },
  options: {
    shard: {
      type: 'string',
      meaning: 'measure a part of the samples alone: i/n, the i-th of n, into error-table.i-of-n.json',
    },
    merge: { type: 'boolean', meaning: 'measure nothing, but make the error table of all parts' },
    show: {
      type: 'string',
      meaning: 'what to print and draw: excess, the distance to full depth, or error, that to the truth',
      choices: shownErrors,
    },
    in: { type: 'string', meaning: 'in which kind of prediction; epsilon unless given', choices: shownKinds },
    sensitivity: {
      type: 'boolean',
      meaning: 'measure how far a mistake at each step of the solver moves the sample, not the error table',
    },
    trajectories: {
      type: 'boolean',
      meaning: 'measure how far each exit at each step moves the sample, pairs of them, and fewer steps',
    },
  },
});

export const uncertainty = declare({
  examples: [
    [
      'exithead uncertainty runs/001-mnist-heads',
      'train heads that say how wrong each exit is, and check them',
    ],
    ['exithead uncertainty runs/001-mnist-heads --resume', 'go on with a training that was stopped'],
    ['exithead uncertainty runs/001-mnist-heads --dry-run', 'say what that takes on this machine'],
  ],
  positional: { name: 'run', meaning: 'folder of a finished `exithead train`', required: true },
  common: ['set', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'train',
  shortcuts: { form: { key: 'uncertainty.form' }, samples: { key: 'uncertainty.samples', alias: 'n' } },
  options: {},
});

export const schedule = declare({
  examples: [
    ['exithead schedule runs/001-mnist-heads --speedup 1.5', 'the best exits at two thirds of the compute'],
    ['exithead schedule runs/001-mnist-heads --speedup 1.3 --steps 25', 'for a sampler of 25 steps'],
    ['exithead schedule runs/001-mnist-heads --max-excess 0.01', 'the cheapest that loses no more than that'],
    [
      'exithead schedule runs/001-mnist-heads --steps "[50,25,17]" --weights sensitivity --front',
      'the number of steps is a choice, too; all that nothing cheaper equals goes to front.json',
    ],
    [
      'exithead schedule runs/001-mnist-heads --speedup 1.5 --refine',
      'draws with schedules near the solved one, and takes the best',
    ],
    [
      'exithead schedule runs/001-mnist-heads --from exit_nums.json',
      'the exits that a list of ASE says: ten block counts, from data to noise',
    ],
  ],
  positional: { name: 'run', meaning: 'folder of a run that was profiled', required: true },
  common: ['set', 'engine', 'dry-run'],
  configKind: 'train',
  shortcuts: {
    speedup: { key: 'schedule.speedup', alias: 's' },
    'max-excess': { key: 'schedule.maxExcess' },
    steps: { key: 'schedule.steps' },
    monotone: { key: 'schedule.monotone' },
    'min-run': { key: 'schedule.minRun' },
    'max-exits': { key: 'schedule.maxExits' },
    cost: { key: 'schedule.cost' },
    halves: { key: 'schedule.halves' },
    weights: { key: 'schedule.weights' },
  },
  options: {
    front: { type: 'boolean', meaning: 'also write front.json: the best schedule at every budget' },
    refine: {
      type: 'boolean',
      meaning:
        'then look for a better one near it, at no more cost, by what it draws (schedule.refine in the config)',
    },
    from: { type: 'string', meaning: "take the exits of ASE's list of ten block counts, instead of solving" },
    to: { type: 'string', meaning: 'also write such a list, for the code of ASE' },
  },
});

export const exporting = declare({
  examples: [
    ['exithead export runs/001-mnist-heads --out bundle', 'heads, schedule and settings in one folder'],
    ['exithead export runs/001-mnist-heads --out bundle --with-backbone', 'a folder that needs nothing else'],
    ['exithead export runs/001-mnist-heads --out bundle --onnx', 'graphs for samplers without exithead, too'],
  ],
  positional: { name: 'run', meaning: 'folder of a run that has a schedule', required: true },
  common: ['out'],
  options: {
    'with-backbone': {
      type: 'boolean',
      meaning: "put the backbone's weights into the bundle, instead of naming where they are",
    },
    onnx: {
      type: 'boolean',
      meaning: 'put an ONNX graph of every exit in use into the bundle, see docs/interop.md',
    },
  },
});

/** What every verb that draws from a bundle can be told in short. */
const drawing = {
  solver: { key: 'sample.solver' },
  steps: { key: 'sample.steps' },
  guidance: { key: 'sample.guidance' },
  batch: { key: 'sample.batch' },
  vae: { key: 'vae.path' },
} as const satisfies Readonly<Record<string, Shortcut>>;

export const sample = declare({
  examples: [
    ['exithead sample bundle -n 64 --solver ddim --steps 50', 'draw 64 images'],
    ['exithead sample bundle -n 64 --compare', 'also at full depth from the same noise, and compare'],
    [
      'exithead sample bundle --backbone models/mnist-dit',
      'the backbone lies elsewhere than it did at export',
    ],
    ['exithead sample bundle --vae sd-vae-ft-mse', 'pictures of latents, by this autoencoder'],
  ],
  positional: { name: 'bundle', meaning: 'folder that `exithead export` wrote', required: true },
  common: ['config', 'set', 'out', 'engine', 'seed', 'dry-run'],
  configKind: 'sample',
  shortcuts: {
    count: { key: 'sample.count', alias: 'n' },
    ...drawing,
  },
  options: {
    compare: { type: 'boolean', meaning: 'draw the same images at full depth, too' },
    'per-sample': {
      type: 'number',
      meaning:
        'each sample leaves at the first exit whose predicted error is below this (docs/uncertainty.md)',
    },
    'depth-used': {
      type: 'number',
      meaning: 'the same, with the threshold that used this share of full depth when it was calibrated',
    },
    backbone: { type: 'string', meaning: 'where the backbone is; unless given, where the bundle says' },
    latents: { type: 'boolean', meaning: 'write latents themselves, no pictures of them' },
    captions: {
      type: 'string',
      meaning: 'of a backbone that is told captions: folder of embedded captions (docs/captions.md)',
    },
  },
});

export const evaluate = declare({
  examples: [
    [
      'exithead evaluate bundle -n 2000',
      'distances to real images, drift and seconds, beside all that is cheaper',
    ],
    ['exithead evaluate bundle --seeds 3 --out evaluation', 'with the spread over three seeds'],
    ['exithead evaluate bundle --dry-run', 'say what is drawn, what it costs and how long it takes'],
    ['exithead evaluate bundle --schedule runs/001-mnist-heads/schedule.json', 'another schedule, too'],
    ['exithead evaluate bundle --resume', 'go on with one that was stopped'],
    ['exithead evaluate bundle --against caching', 'beside caching alone'],
    ['exithead evaluate bundle --data configs/mnist/heads.yaml', 'with the images that this config names'],
  ],
  positional: { name: 'bundle', meaning: 'folder that `exithead export` wrote', required: true },
  common: ['config', 'set', 'out', 'engine', 'seed', 'resume', 'dry-run'],
  configKind: 'evaluate',
  shortcuts: {
    samples: { key: 'evaluate.samples', alias: 'n' },
    seeds: { key: 'evaluate.seeds' },
    ...drawing,
  },
  options: {
    schedule: {
      type: 'list',
      meaning: 'schedule.json of the same heads to judge, too; may be given often',
    },
    against: {
      type: 'string',
      meaning:
        'what to compare with, separated by commas: fewer-steps, fixed-exit, caching; all unless given',
    },
    features: {
      type: 'string',
      meaning:
        'what judges images: digits, a classifier trained on the data, or an ONNX file; digits unless given',
    },
    data: {
      type: 'string',
      meaning: 'config or run that names the real images; unless given, the run that the bundle is of',
    },
    backbone: { type: 'string', meaning: 'where the backbone is; unless given, where the bundle says' },
    keep: { type: 'boolean', meaning: 'keep the samples, so that --resume can judge them by other features' },
  },
});

export const report = declare({
  examples: [['exithead report runs/001-mnist-heads', 'write report.html into the run']],
  positional: { name: 'run', meaning: 'folder of a finished `exithead train`', required: true },
  common: ['out'],
  options: {},
});

export const engine = declare({
  examples: [
    ['exithead engine list', 'what computes on this machine, and which one `auto` takes'],
    ['exithead engine install native --dry-run', 'what would be downloaded, how much, where to'],
    ['exithead engine install cuda', 'TensorFlow for an NVIDIA GPU'],
    ['exithead engine check', 'whether the engine that `auto` takes computes rightly, and how fast'],
    ['exithead engine check native', 'the same of another engine'],
    ['exithead engine check onnx --provider webgpu', 'the same of an execution provider of onnxruntime'],
    ['exithead engine remove cuda', 'delete what was installed'],
  ],
  positional: {
    name: 'task',
    meaning: 'list, install KIND, check [KIND] or remove KIND',
    required: true,
    choices: ['list', 'install', 'check', 'remove'],
  },
  operand: {
    name: 'kind',
    meaning: 'an engine; native and cuda are the ones to install and remove',
    required: false,
    choices: engineKinds,
  },
  common: ['dry-run'],
  options: {
    threads: { type: 'number', meaning: 'with check: CPU threads; all cores unless given' },
    provider: {
      type: 'string',
      meaning: 'with check: what the engine onnx computes on; the CPU unless given',
      choices: providers,
    },
  },
});
