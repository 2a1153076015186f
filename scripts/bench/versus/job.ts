// What does a side have to know to do the work of a case, and what do the two processes say to each other?
// One request per line of stdin, one answer per line of stdout, both JSON.
import type { HeadPlan } from '../../../src/exits/heads.js';
import type { HeadsLoss } from '../../../src/training/headsStep.js';
import type { UpdateOptions } from '../../../src/training/update.js';
import type { Work } from './cases.js';
import type { Side } from './sides.js';

/** What sampling follows, beside the work: native times from noise to data, alpha_bar there, and the scheduled exits. */
export interface Course {
  readonly timesteps: readonly number[];
  readonly alphas: readonly number[];
  readonly exits: readonly number[];
}

export type JobWork = Exclude<Work, { kind: 'sample' }> | (Extract<Work, { kind: 'sample' }> & Course);

/** The same for all sides of a case but for `side`. Paths are absolute. */
export interface Job {
  readonly side: Side;
  readonly threads: number;
  readonly work: JobWork;
  /** Folder with config.json and model.safetensors. */
  readonly backbone: string;
  /** .safetensors with x, noise, t, y and lambda of one batch. */
  readonly inputs: string;
  /** .safetensors with the weights of the heads planned; not written if none are. */
  readonly heads: string;
  readonly plans: readonly HeadPlan[];
  readonly loss: HeadsLoss;
  readonly update: UpdateOptions & { readonly lr: number };
}

export type Request =
  | { readonly do: 'open'; readonly job: Job }
  | { readonly do: 'run'; readonly times: number }
  | { readonly do: 'peak' }
  | { readonly do: 'state' };

export interface Answers {
  /** Multiply-adds of the work for one sample, where they are counted; the memory that the libraries alone took. */
  readonly open: { readonly macs: number | null; readonly idleMegabytes: number | null };
  /** Of each time: how long it took, and numbers that all sides must find. */
  readonly run: {
    readonly milliseconds: readonly number[];
    readonly results: readonly (readonly number[])[];
  };
  /** Most memory that the process ever held; null where the system does not say. */
  readonly peak: { readonly megabytes: number | null };
  /** Numbers out of the trained weights, that all sides must find. */
  readonly state: { readonly state: readonly number[] };
}
