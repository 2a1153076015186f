// Every TensorFlow.js kernel that can be recorded. A new one goes into the file of its kind; test/trace/kernels.test.ts
// demands a case for it.
import { composites } from './composites.js';
import { convolutions } from './convolution.js';
import { elementwise } from './elementwise.js';
import type { Kernel } from './kernel.js';
import { products } from './products.js';
import { reductions } from './reductions.js';
import { shapes } from './shapes.js';
import { transformer } from './transformer.js';

export const kernels: Readonly<Record<string, Kernel>> = {
  ...elementwise,
  ...shapes,
  ...products,
  ...reductions,
  ...composites,
  ...transformer,
  ...convolutions,
};
