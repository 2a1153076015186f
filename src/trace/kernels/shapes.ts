// Kernels that move numbers and change shapes.
import { sizeOf } from '../../engine/tensors.js';
import type { DType, Graph, Value } from '../graph.js';
import { axis, input, number, numbers, type Attributes, type Inputs, type Kernel } from './kernel.js';

function split(graph: Graph, x: Value, sizes: readonly number[], at: number): Value[] {
  if (sizes.length === 1) return [x];
  const outputs = sizes.map((n) => ({ shape: x.shape.map((d, i) => (i === at ? n : d)), dtype: x.dtype }));
  return graph.emit('Split', [x, graph.ints(sizes)], outputs, { attributes: { axis: at } });
}

function concat(graph: Graph, parts: readonly Value[], at: number): Value {
  const [first] = parts;
  if (!first) throw new Error('trace: nothing to join');
  if (parts.length === 1) return first;
  const length = parts.reduce((sum, x) => sum + (x.shape[at] ?? 0), 0);
  const shape = first.shape.map((d, i) => (i === at ? length : d));
  return graph.node('Concat', parts, shape, { attributes: { axis: at } });
}

/** An implicit -1 in a wanted shape, resolved. */
function explicit(wanted: readonly number[], count: number): number[] {
  const known = wanted.reduce((product, d) => (d < 0 ? product : product * d), 1);
  return wanted.map((d) => (d < 0 ? count / known : d));
}

function splitSizes(x: Value, attributes: Attributes, at: number): number[] {
  const length = x.shape[at] ?? 0;
  const given = attributes['numOrSizeSplits'];
  if (typeof given === 'number') return Array<number>(given).fill(length / given);
  return explicitSizes(numbers(attributes, 'numOrSizeSplits'), length);
}

function explicitSizes(sizes: readonly number[], length: number): number[] {
  const known = sizes.reduce((sum, n) => (n < 0 ? sum : sum + n), 0);
  return sizes.map((n) => (n < 0 ? length - known : n));
}

function slice(graph: Graph, inputs: Inputs, attributes: Attributes): Value {
  const x = input(inputs, 'x');
  const begin = numbers(attributes, 'begin');
  const wanted = numbers(attributes, 'size');
  const shape = x.shape.map((d, i) => ((wanted[i] ?? -1) < 0 ? d - (begin[i] ?? 0) : (wanted[i] ?? 0)));
  const axes = x.shape.flatMap((d, i) => (d === shape[i] ? [] : [i]));
  if (axes.length === 0) return x;
  const from = axes.map((i) => begin[i] ?? 0);
  const to = axes.map((i) => (begin[i] ?? 0) + (shape[i] ?? 0));
  return graph.node('Slice', [x, graph.ints(from), graph.ints(to), graph.ints(axes)], shape);
}

/** Rows of x summed by label: the gradient of an embedding lookup. */
function unsortedSegmentSum(graph: Graph, inputs: Inputs, attributes: Attributes): Value {
  const [x, labels] = [input(inputs, 'x'), input(inputs, 'segmentIds')];
  if (labels.shape.length !== 1) throw new Error('trace: labels of a segment sum must be a vector');
  const shape = [number(attributes, 'numSegments'), ...x.shape.slice(1)];
  const rows = graph.cast(graph.reshape(labels, [labels.shape[0] ?? 0, 1]), 'int64');
  const zeros = graph.broadcast(graph.float(0), shape);
  return graph.node('ScatterND', [zeros, rows, x], shape, { attributes: { reduction: 'add' } });
}

/** images [B, H, W, C], enlarged by whole factors: every pixel becomes a block. */
function resizeNearest(graph: Graph, inputs: Inputs, attributes: Attributes): Value {
  const images = input(inputs, 'images');
  const [batch = 1, height = 1, width = 1, channels = 1] = images.shape;
  const [newHeight = 1, newWidth = 1] = numbers(attributes, 'size');
  const [down, across] = [newHeight / height, newWidth / width];
  if (!Number.isInteger(down) || !Number.isInteger(across) || attributes['alignCorners'] === true)
    throw new Error('trace: images are enlarged by whole factors alone');
  const scales = graph.constant(Float32Array.of(1, 1, down, across), [4], 'float32');
  const nowhere = graph.constant(new Float32Array(), [0], 'float32');
  const x = graph.transpose(images, [0, 3, 1, 2]);
  const larger = graph.node('Resize', [x, nowhere, scales], [batch, channels, newHeight, newWidth], {
    attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
  });
  return graph.transpose(larger, [0, 2, 3, 1]);
}

export const shapes: Readonly<Record<string, Kernel>> = {
  Identity: (_graph, inputs) => input(inputs, 'x'),
  Cast: (graph, inputs, attributes) => graph.cast(input(inputs, 'x'), dtypeOf(attributes)),
  Reshape: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    return graph.reshape(x, explicit(numbers(attributes, 'shape'), sizeOf(x.shape)));
  },
  ExpandDims: (graph, inputs, attributes) => {
    const x = input(inputs, 'input');
    return graph.reshape(x, x.shape.toSpliced(axis(attributes, 'dim', x.shape.length + 1), 0, 1));
  },
  Transpose: (graph, inputs, attributes) => graph.transpose(input(inputs, 'x'), numbers(attributes, 'perm')),
  SplitV: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const at = axis(attributes, 'axis', x.shape.length);
    return split(graph, x, splitSizes(x, attributes, at), at);
  },
  Unpack: (graph, inputs, attributes) => {
    const x = input(inputs, 'value');
    const at = axis(attributes, 'axis', x.shape.length);
    const parts = split(graph, x, Array<number>(x.shape[at] ?? 0).fill(1), at);
    return parts.map((part) => graph.reshape(part, x.shape.toSpliced(at, 1)));
  },
  Pack: (graph, inputs, attributes) => {
    const parts = Object.values(inputs);
    const at = axis(attributes, 'axis', (parts[0]?.shape.length ?? 0) + 1);
    return concat(
      graph,
      parts.map((x) => graph.reshape(x, x.shape.toSpliced(at, 0, 1))),
      at,
    );
  },
  Concat: (graph, inputs, attributes) => {
    const parts = Object.values(inputs).filter((x) => sizeOf(x.shape) > 0);
    return concat(graph, parts, axis(attributes, 'axis', parts[0]?.shape.length ?? 0));
  },
  Slice: slice,
  PadV2: (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const given = attributes['paddings'];
    if (!Array.isArray(given)) throw new Error('trace: paddings are not a list');
    const paddings = given.map((pair: unknown) => numbers({ pair }, 'pair'));
    const shape = x.shape.map((d, i) => d + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0));
    const ends = graph.ints([...paddings.map((p) => p[0] ?? 0), ...paddings.map((p) => p[1] ?? 0)]);
    return graph.node('Pad', [x, ends, graph.float(number(attributes, 'constantValue'))], shape);
  },
  GatherV2: (graph, inputs, attributes) => {
    const [x, indices] = [input(inputs, 'x'), input(inputs, 'indices')];
    if (attributes['batchDims']) throw new Error('trace: gather with batch dimensions is not recorded');
    const at = axis(attributes, 'axis', x.shape.length);
    const shape = x.shape.toSpliced(at, 1, ...indices.shape);
    return graph.node('Gather', [x, indices], shape, { attributes: { axis: at } });
  },
  UnsortedSegmentSum: unsortedSegmentSum,
  ResizeNearestNeighbor: resizeNearest,
  Tile: (graph, inputs, attributes) => {
    const [x, reps] = [input(inputs, 'x'), numbers(attributes, 'reps')];
    const shape = x.shape.map((d, i) => d * (reps[i] ?? 1));
    return graph.node('Tile', [x, graph.ints(reps)], shape);
  },
  Range: (graph, _inputs, attributes) => {
    const [start, stop, step] = ['start', 'stop', 'step'].map((name) => number(attributes, name)) as [
      number,
      number,
      number,
    ];
    const count = Math.max(0, Math.ceil((stop - start) / step));
    const dtype = dtypeOf(attributes);
    const all = Array.from({ length: count }, (_, i) => start + i * step);
    return graph.constant(dtype === 'int32' ? Int32Array.from(all) : Float32Array.from(all), [count], dtype);
  },
  Fill: (graph, _inputs, attributes) =>
    graph.broadcast(graph.float(number(attributes, 'value')), numbers(attributes, 'shape')),
};

function dtypeOf(attributes: Attributes): DType {
  const dtype = attributes['dtype'];
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`trace: type ${String(dtype)} is not recorded`);
}
