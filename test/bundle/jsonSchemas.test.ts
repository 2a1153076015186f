import { describe, expect, it } from '@jest/globals';
import { jsonSchemas } from '../../src/bundle/jsonSchemas.js';

interface Property {
  readonly const?: unknown;
  readonly description?: string;
}

describe('the JSON schemas', () => {
  it('are there for every format, by name and version', () => {
    expect(Object.keys(jsonSchemas())).toEqual([
      'exithead-error-table-1',
      'exithead-error-sums-1',
      'exithead-schedule-2',
      'exithead-front-1',
      'exithead-sensitivity-1',
      'exithead-trajectories-1',
      'exithead-calibration-1',
      'exithead-bundle-1',
      'exithead-onnx-1',
      'exithead-time-weights-1',
      'exithead-captions-1',
      'exithead-latents-1',
      'exithead-features-1',
      'exithead-evaluation-1',
    ]);
  });
  it.each(Object.entries(jsonSchemas()))(
    'of %s fix format and version and are plain JSON',
    (name, schema) => {
      const { format, version } = schema.properties as Record<string, Property>;
      expect(`${String(format?.const)}-${String(version?.const)}`).toBe(name);
      expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
      expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
    },
  );
  it('say what the numbers mean', () => {
    const { exits, timesteps } = jsonSchemas()['exithead-schedule-2']?.properties as Record<string, Property>;
    expect(exits?.description).toMatch(/exit that each of `timesteps` runs/);
    expect(timesteps?.description).toMatch(/from noise to data/);
  });
});
