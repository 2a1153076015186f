import { beforeAll, describe, expect, it } from '@jest/globals';
import { epsilonOf, varianceOf } from '../../src/backbones/channels.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';

beforeAll(() => tf.setBackend('cpu'));

describe('the channels of a prediction', () => {
  it('are those of epsilon, then those of a variance if it is predicted too', () => {
    tf.tidy(() => {
      const both = tf.tensor4d(stream(0, 'both').normals(2 * 6 * 4), [2, 6, 2, 2]);
      const [epsilon, variance] = [epsilonOf(both, 3), varianceOf(both, 3)];
      expect([epsilon.shape, variance.shape]).toEqual([
        [2, 3, 2, 2],
        [2, 3, 2, 2],
      ]);
      const all = both.dataSync();
      expect([...epsilon.dataSync()]).toEqual([...all.subarray(0, 12), ...all.subarray(24, 36)]);
      expect([...variance.dataSync()]).toEqual([...all.subarray(12, 24), ...all.subarray(36)]);
      expect(epsilonOf(both, 6)).toBe(both);
      expect(() => varianceOf(both, 6)).toThrow('6 channels hold no variance of 6');
    });
  });
});
