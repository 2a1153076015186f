import { describe, expect, it } from '@jest/globals';
import * as ort from 'onnxruntime-node';
import { runInPlace } from '../../src/engine/inPlace.js';
import { Graph } from '../../src/trace/graph.js';
import { writeOnnx } from '../../src/trace/onnx.js';

const length = 2 ** 22;

/** y = x + 1 and z = the sum of y, on four million numbers. */
async function session(): Promise<ort.InferenceSession> {
  const graph = new Graph(61);
  const x = graph.input('x', [length], 'float32');
  const y = graph.node('Add', [x, graph.float(1)], [length]);
  graph.output('y', y);
  graph.output('z', graph.node('ReduceSum', [y], [], { attributes: { keepdims: 0 } }));
  return ort.InferenceSession.create(writeOnnx(graph, { numbers: 'given', endMark: true }).model, {
    logSeverityLevel: 3,
  });
}
const floats = (shape: readonly number[], fill = 0): ort.Tensor =>
  new ort.Tensor('float32', new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fill), shape);

describe('runInPlace', () => {
  it('writes every output to its target, which may be an input', async () => {
    const model = await session();
    const [x, z] = [floats([length], 2), floats([])];
    for (const expected of [3, 4, 5]) {
      await runInPlace(
        model,
        { x },
        new Map([
          ['y', x],
          ['z', z],
        ]),
      );
      expect([x.data[0], x.data[length - 1]]).toEqual([expected, expected]);
      expect(z.data[0]).toBe(expected * length);
    }
    await model.release();
  });

  it('allocates nothing: no page of memory is touched for the first time', async () => {
    const model = await session();
    const [x, y, z] = [floats([length]), floats([length]), floats([])];
    const run = () =>
      runInPlace(
        model,
        { x },
        new Map([
          ['y', y],
          ['z', z],
        ]),
      );
    await run();
    await run();
    const before = process.resourceUsage().minorPageFault;
    for (let i = 0; i < 5; i++) await run();
    const pagesOfOneCopy = (4 * length) / 4096;
    expect(process.resourceUsage().minorPageFault - before).toBeLessThan(pagesOfOneCopy);
    await model.release();
  });

  it('passes on what goes wrong', async () => {
    const model = await session();
    const targets = new Map([
      ['y', floats([length])],
      ['z', floats([])],
    ]);
    await expect(runInPlace(model, { x: floats([3]) }, targets)).rejects.toThrow('invalid dimensions');
    await model.release();
  });
});
