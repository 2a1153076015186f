// The backbone that benches run: the size of models/mnist-dit, so that nothing has to be loaded.
import { ditSpec } from '../../src/backbones/spec.js';

export const benchSpec = ditSpec({
  input_size: 28,
  patch_size: 4,
  in_channels: 1,
  hidden_size: 128,
  depth: 12,
  num_heads: 4,
  mlp_ratio: 4,
  num_classes: 10,
  learn_sigma: false,
});
