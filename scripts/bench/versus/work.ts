// How is the work of one case done by exithead? Opens what the job names; every `run` of the result does the work once.
import { openBackbone } from '../../../src/checkpoints/backbone.js';
import { openSafetensors } from '../../../src/checkpoints/safetensors.js';
import { readTensor, readTensors } from '../../../src/checkpoints/stored.js';
import { trainable } from '../../../src/backbones/init.js';
import { ddpmBetas, diffusion } from '../../../src/diffusion/betas.js';
import type { CompileOptions, Engine, Feeds } from '../../../src/engine/engine.js';
import { pickEngine } from '../../../src/engine/pick.js';
import { tf } from '../../../src/engine/tf.js';
import {
  isStored,
  type FrozenWeights,
  type HostTensor,
  type HostTensors,
  type Weights,
} from '../../../src/engine/tensors.js';
import { unreachable } from '../../../src/errors.js';
import { openDenoiser } from '../../../src/exits/denoiser.js';
import { weightsIn } from '../../../src/exits/precision.js';
import { exitStep, queryInputs, type Model } from '../../../src/exits/model.js';
import { stream } from '../../../src/random.js';
import { sample } from '../../../src/samplers/sampler.js';
import { headsInputs, headsStep, lossFeeds, targetsOf } from '../../../src/training/headsStep.js';
import { pretrainStep, trainingInputs } from '../../../src/training/pretrainStep.js';
import { initialState, part } from '../../../src/training/state.js';
import type { Course, Job } from './job.js';

export interface OpenWork {
  /** Multiply-adds for one sample. */
  readonly macs: number;
  /** Does it once. Returns numbers that every side must find. */
  run(): Promise<readonly number[]>;
  /** Numbers out of the averaged weights, likewise. */
  state(): Promise<readonly number[]>;
}

type Ours = Extract<Job['side'], { by: 'exithead' }>;

/** @param given runs it instead of the engine that the side names */
export async function openWork(job: Job, side: Ours, given?: Engine): Promise<OpenWork> {
  const engine = given ?? (await pickEngine({ kind: side.engine, threads: job.threads }));
  const { work } = job;
  if (work.kind === 'gemm') return gemm(engine, work.size);
  const { spec, weights } = await openBackbone({ path: job.backbone, weights: 'auto' });
  const heads = job.plans.length > 0 ? await readTensors((await openSafetensors(job.heads)).tensors) : {};
  const frozen = await weightsIn(weights, side.dtype);
  const model: Model = { spec, backbone: frozen, plans: job.plans, heads };
  const batch = await readTensors((await openSafetensors(job.inputs)).tensors);
  switch (work.kind) {
    case 'forward':
      return forward(engine, model, batch);
    case 'heads': {
      const targets = targetsOf(job.loss);
      return train(engine, headsStep(spec, job.plans, targets, job.update), {
        ...{ job, batch, frozen },
        moving: heads,
        inputs: headsInputs(spec, job.plans, targets),
        weights: lossFeeds(job.loss, floats(batch, 'lambda')),
      });
    }
    case 'full': {
      const names = new Set(trainable(spec));
      const those = (move: boolean): Weights =>
        Object.fromEntries(Object.entries(weights).filter(([name]) => names.has(name) === move));
      return train(engine, pretrainStep(spec, job.update), {
        ...{ job, batch, frozen: those(false) },
        moving: await inMemory(those(true)),
        inputs: trainingInputs(spec),
        weights: { lambda: floats(batch, 'lambda') },
      });
    }
    case 'sample':
      return draw(engine, model, work, side.scheduled, batch);
    default:
      return unreachable(work);
  }
}

const noState = (): Promise<readonly number[]> => Promise.resolve([]);

async function gemm(engine: Engine, size: number): Promise<OpenWork> {
  const b = { shape: [size, size], data: stream(0, 'product').normals(size * size) };
  const step = await engine.compile(
    (_state, { a }, { b }) => {
      if (!a || !b) throw new Error('a product has two matrices');
      return { state: {}, out: { product: tf.matMul(a, b) } };
    },
    { state: {}, batch: { a: { shape: ['batch', size] } }, frozen: { b } },
  );
  const feeds = { a: stream(1, 'product').normals(size * size) };
  return { macs: step.macs, run: async () => (await step(feeds), []), state: noState };
}

async function forward(engine: Engine, model: Model, batch: HostTensors): Promise<OpenWork> {
  const step = await engine.compile(exitStep(model, model.spec.depth, false), {
    state: {},
    batch: queryInputs(model.spec),
    frozen: model.backbone,
  });
  const feeds = query(batch);
  const run = async (): Promise<readonly number[]> => probe((await step(feeds))['prediction']?.data ?? []);
  return { macs: step.macs, run, state: noState };
}

interface Training {
  readonly job: Job;
  readonly batch: HostTensors;
  readonly frozen: FrozenWeights;
  readonly moving: HostTensors;
  readonly inputs: CompileOptions['batch'];
  /** What is fed of how much counts. */
  readonly weights: Feeds;
}

async function train(
  engine: Engine,
  step: Parameters<Engine['compile']>[0],
  { job, batch, frozen, moving, inputs, weights }: Training,
): Promise<OpenWork> {
  const compiled = await engine.compile(step, {
    state: initialState(moving),
    batch: inputs,
    frozen,
  });
  const feeds = {
    ...query(batch),
    noise: floats(batch, 'noise'),
    ...weights,
    lr: job.update.lr,
  };
  return {
    macs: compiled.macs,
    run: async () => {
      const { loss, norm } = await compiled(feeds);
      return [loss?.data[0] ?? NaN, norm?.data[0] ?? NaN];
    },
    state: async () => {
      const averages = Object.entries(part(await compiled.read(), 'ema')).toSorted(([a], [b]) =>
        a < b ? -1 : 1,
      );
      return averages.flatMap(([, { data }]) =>
        [0, Math.floor(data.length / 2), data.length - 1].map((at) => data[at] ?? NaN),
      );
    },
  };
}

async function draw(
  engine: Engine,
  model: Model,
  course: Course,
  scheduled: boolean,
  batch: HostTensors,
): Promise<OpenWork> {
  const { depth } = model.spec;
  const exits = scheduled ? course.exits : course.exits.map(() => depth);
  const denoiser = await openDenoiser(engine, model, exits, false);
  const start = floats(batch, 'x');
  const y = labels(batch);
  const options = {
    ...{ timesteps: course.timesteps, clip: false, count: y.length, diffusion: diffusion(ddpmBetas) },
    solver: { kind: 'ddim', eta: 0 } as const,
    noise: () => {
      throw new Error('DDIM with eta 0 adds no noise');
    },
  };
  const run = async (): Promise<readonly number[]> => {
    const trajectory = denoiser.begin();
    return probe(
      await sample(options, start, (x, t, step) =>
        trajectory.predict(exits[step] ?? depth, { x, t, y, guidance: 1 }),
      ),
    );
  };
  return { macs: 0, run, state: noState };
}

async function inMemory(weights: Weights): Promise<HostTensors> {
  const read: Record<string, HostTensor> = {};
  for (const [name, weight] of Object.entries(weights))
    read[name] = isStored(weight) ? await readTensor(weight) : weight;
  return read;
}

/** Evenly spaced numbers of an output. */
function probe(data: Float32Array | Int32Array | readonly number[]): number[] {
  const most = 64;
  const stride = Math.max(1, Math.floor(data.length / most));
  return Array.from({ length: Math.min(most, data.length) }, (_, i) => data[i * stride] ?? NaN);
}

function query(batch: HostTensors): Feeds {
  return { x: floats(batch, 'x'), t: floats(batch, 't'), y: labels(batch) };
}

function labels(batch: HostTensors): Int32Array {
  return Int32Array.from(floats(batch, 'y'));
}

function floats(batch: HostTensors, name: string): Float32Array {
  const data = batch[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`the batch has no ${name}`);
  return data;
}
