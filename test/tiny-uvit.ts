// The tiny U-ViTs of test/fixtures/uvit: their specs, weights and recorded tensors.
import type { ExitRule, UvitSpec } from '../src/backbones/backbone.js';
import { readUvitSpec } from '../src/backbones/uvitSpec.js';
import type { HostTensors } from '../src/engine/tensors.js';
import { fixtureJson, fixturePath, fixtureTensors, pick } from './fixtures.js';

/** Unconditional, or with ten classes and the null class. */
export type Which = 'uncond' | 'cond';

export interface TinyUvit {
  /** Native t is the diffusion step, as in the recorded queries. */
  readonly spec: UvitSpec;
  readonly weights: HostTensors;
  readonly io: HostTensors;
}

export function tinyUvit(which: Which, exitRule: ExitRule = 'skips'): TinyUvit {
  const config = `uvit/${which}/config.json`;
  return {
    spec: { ...readUvitSpec(fixtureJson(config), fixturePath(config)), timeAxis: 'steps', exitRule },
    weights: fixtureTensors(`uvit/${which}/model.safetensors`),
    io: fixtureTensors(`uvit/${which}/io.safetensors`),
  };
}

/** The recorded x, t and y as feeds; an unconditional U-ViT has no label, so its y is 0. */
export function recordedFeeds({ io }: TinyUvit): { x: Float32Array; t: Float32Array; y: Int32Array } {
  const t = Float32Array.from(pick(io, 't').data);
  return {
    x: Float32Array.from(pick(io, 'x').data),
    t,
    y: io['y'] ? Int32Array.from(io['y'].data) : new Int32Array(t.length),
  };
}
