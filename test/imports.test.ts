import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const source = resolve('src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(source, name));
const importsOf = new Map(
  files.map((file) => [
    file,
    ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles.map(({ fileName }) => fileName),
  ]),
);
const name = (file: string): string => relative(source, file);
const importers = (pattern: RegExp): string[] =>
  files.filter((file) => importsOf.get(file)?.some((from) => pattern.test(from))).map(name);

function cycleFrom(file: string, path: readonly string[], done: Set<string>): string[] | undefined {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
  if (done.has(file)) return undefined;
  for (const from of importsOf.get(file) ?? []) {
    if (!from.startsWith('.')) continue;
    const target = resolve(dirname(file), from.replace(/\.js$/, '.ts'));
    const cycle = cycleFrom(target, [...path, file], done);
    if (cycle) return cycle;
  }
  done.add(file);
  return undefined;
}

describe('imports', () => {
  it('never form a cycle', () => {
    const done = new Set<string>();
    for (const file of files) expect(cycleFrom(file, [], done)?.map(name)).toBeUndefined();
  });
  it('reach TensorFlow.js through one file', () => {
    expect(importers(/^@tensorflow\//)).toEqual(['engine/tf.ts']);
  });
  it('reach onnxruntime through the engine alone', () => {
    expect(importers(/^onnxruntime/).every((file) => file.startsWith('engine/'))).toBe(true);
  });
  it('leave the command line to cli and commands', () => {
    expect(importers(/^(yargs|cli-progress)/).every((file) => /^(cli\.ts|commands\/)/.test(file))).toBe(true);
  });
});
