// The tiny DiT of test/fixtures/dit: its spec, weights and recorded inputs.
import type { Backbone, Query } from '../src/backbones/backbone.js';
import { dit } from '../src/backbones/dit.js';
import { readDitSpec } from '../src/backbones/ditSpec.js';
import { tf } from '../src/engine/tf.js';
import type { HostTensors } from '../src/engine/tensors.js';
import { fixtureJson, fixturePath, fixtureTensors, pick, upload, uploadAll } from './fixtures.js';
import { labelQuery } from './queries.js';

export const tinySpec = readDitSpec(fixtureJson('dit/config.json'), fixturePath('dit/config.json'));
export const tinyWeights = fixtureTensors('dit/model.safetensors');
export const tinyIo = fixtureTensors('dit/io.safetensors');

/** On the current backend; call it under tf.tidy. */
export function tinyDit(): Backbone {
  return dit.bind(tinySpec, uploadAll(tinyWeights));
}

/** The query recorded under `x`, `t` and `y`, or under those names with a prefix. */
export function recordedQuery(tensors: HostTensors = tinyIo, prefix = ''): Query {
  return labelQuery(
    upload(pick(tensors, `${prefix}x`)) as tf.Tensor4D,
    tf.cast(upload(pick(tensors, `${prefix}t`)) as tf.Tensor1D, 'float32'),
    upload(pick(tensors, `${prefix}y`)) as tf.Tensor1D,
  );
}
