import { expect, test } from '@jest/globals';
import { placesInJson } from '../../src/files/places.js';

const text = `{
  "a": [1, { "b": 2 }],
  "c": "d"
}`;

test('keys, what stands there and items of lists are found in JSON', () => {
  const find = placesInJson(text);
  expect(find(['a'], 'key')).toBe('2:3');
  expect(find(['a'], 'value')).toBe('2:8');
  expect(find(['a', 0], 'value')).toBe('2:9');
  expect(find(['a', 1, 'b'], 'key')).toBe('2:14');
  expect(find(['a', 1, 'b'], 'value')).toBe('2:19');
  expect(find(['c'], 'value')).toBe('3:8');
});

test('what is missing is told by the nearest thing around it', () => {
  const find = placesInJson(text);
  expect(find(['a', 1, 'x', 'y'], 'value')).toBe('2:12');
  expect(find(['a', 7], 'value')).toBe('2:3');
  expect(find(['x'], 'value')).toBeUndefined();
  expect(find([], 'value')).toBeUndefined();
});

test('texts that nest without end or are none are not looked through', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  expect(placesInJson(deep)([0], 'value')).toBeUndefined();
  expect(placesInJson(`"${'x'.repeat(3_000_000)}"`)([0], 'value')).toBeUndefined();
  expect(placesInJson('')(['a'], 'key')).toBeUndefined();
});
