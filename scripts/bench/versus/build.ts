// How does our side run as it is installed, without a compiler in its memory? As JavaScript, written once beforehand.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const folders = ['src', 'scripts/bench/versus'];

/**
 * Writes src and the bench's side as JavaScript below the repository's `.cache`, where packages are found as ever.
 * @returns path of the side's program
 */
export async function buildSide(): Promise<string> {
  const target = join('.cache', `bench-${process.pid}`);
  await rm(target, { recursive: true, force: true });
  for (const folder of folders)
    for (const name of await readdir(folder, { recursive: true })) {
      if (!name.endsWith('.ts')) continue;
      const { outputText } = ts.transpileModule(await readFile(join(folder, name), 'utf8'), {
        compilerOptions: {
          target: ts.ScriptTarget.ES2022,
          module: ts.ModuleKind.ESNext,
          verbatimModuleSyntax: true,
        },
      });
      const path = join(target, folder, name.replace(/\.ts$/, '.js'));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, outputText);
    }
  return join(target, 'scripts/bench/versus/side.js');
}

/** What `buildSide` wrote, to remove afterwards. */
export function sideFolder(program: string): string {
  return join(dirname(program), '../../..');
}
