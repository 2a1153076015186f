import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { generatedDocs } from '../scripts/docs.js';

describe('documents that follow from the code', () => {
  it('are what `npm run docs` writes', async () => {
    for (const [path, text] of Object.entries(await generatedDocs()))
      expect(readFileSync(path, 'utf8')).toBe(text);
  });
  it('have a schema for every JSON format', async () => {
    const names = Object.keys(await generatedDocs()).filter((path) => path.startsWith('docs/schemas/'));
    expect(names.map((path) => path.slice('docs/schemas/'.length)).sort()).toEqual(
      readdirSync('docs/schemas').sort(),
    );
  });
});
