// Does this machine have what an installation needs: Python with pip, npm, a compiler, room on the disk?
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.js';
import { isFile } from '../../files/disk.js';
import { freeBytes, megabytes } from '../../files/room.js';
import { runProgram, type Ran } from './program.js';

export interface Tools {
  /** A Python that has pip. */
  readonly python: string;
  /** Folder whose include/node holds the headers of this Node.js; undefined where node-gyp has to fetch them. */
  readonly headers: string | undefined;
}

export interface Needs {
  /** What it all takes at once, downloads included. */
  readonly bytes: number;
  /** Where it goes; need not be there. */
  readonly folder: string;
  readonly platform: string;
}

/**
 * Looks for everything before anything is downloaded.
 * @throws UserError naming all that is missing, with what installs it
 */
export async function findTools({ bytes, folder, platform }: Needs): Promise<Tools> {
  const { python, problem } = await findPython(platform);
  const problems = [
    problem,
    await npmProblem(platform),
    await tarProblem(),
    await compilerProblem(platform),
    spaceInPath(folder),
    await roomProblem(folder, bytes),
  ].filter((found) => found !== undefined);
  if (problems.length > 0 || python === undefined)
    throw new UserError(`the engine cannot be installed yet:\n${problems.map((p) => `  - ${p}`).join('\n')}`);
  return { python, headers: await nodeHeaders() };
}

type Problem = string | undefined;

async function findPython(platform: string): Promise<{ python?: string; problem?: string }> {
  let withoutPip: string | undefined;
  for (const python of ['python3', 'python']) {
    const version = await answer(python, ['-c', 'import sys; print(sys.version_info >= (3, 8))']);
    if (version?.stdout.trim() !== 'True') continue;
    if (await answer(python, ['-m', 'pip', '--version'])) return { python };
    withoutPip ??= python;
  }
  const install = {
    python: platform === 'darwin' ? 'xcode-select --install' : 'apt install python3 python3-pip',
    pip: platform === 'darwin' ? 'python3 -m ensurepip' : 'apt install python3-pip',
  };
  if (withoutPip === undefined)
    return {
      problem: `no Python 3.8 or newer was found; install one with pip (${install.python}, or your system's way)`,
    };
  return { problem: `${withoutPip} has no pip; install it (${install.pip}, or your system's way)` };
}

async function npmProblem(platform: string): Promise<Problem> {
  if (await answer('npm', ['--version'])) return undefined;
  return `npm was not found; it comes with Node.js${platform === 'linux' ? ' (or apt install npm)' : ''}`;
}

async function tarProblem(): Promise<Problem> {
  return (await answer('tar', ['--version'])) ? undefined : 'tar was not found; install it';
}

async function compilerProblem(platform: string): Promise<Problem> {
  const install = platform === 'darwin' ? 'xcode-select --install' : 'apt install build-essential';
  const { CXX } = process.env;
  const compiler = CXX || (platform === 'darwin' ? 'c++' : 'g++');
  const missing = [
    ...((await answer(compiler, ['--version'])) ? [] : [`the C++ compiler ${compiler}`]),
    ...((await answer('make', ['--version'])) ? [] : ['make']),
  ];
  if (missing.length === 0) return undefined;
  const was = missing.length === 1 ? 'was' : 'were';
  return `${missing.join(' and ')} ${was} not found; install what builds C++ (${install}, or your system's way)`;
}

function spaceInPath(folder: string): Problem {
  if (!/\s/.test(folder)) return undefined;
  return `${folder} has a space in its path, and make cannot build there; set EXITHEAD_CACHE to a folder without one`;
}

async function roomProblem(folder: string, bytes: number): Promise<Problem> {
  const free = await freeBytes(folder);
  if (free >= bytes) return undefined;
  return (
    `${folder} has ${megabytes(free)} of free space, and ${megabytes(bytes)} are needed; ` +
    'free some, or set EXITHEAD_CACHE to a folder on another disk'
  );
}

/** Beside Node.js, where most installations have them. */
async function nodeHeaders(): Promise<string | undefined> {
  const prefix = dirname(dirname(process.execPath));
  return (await isFile(join(prefix, 'include', 'node', 'node_api.h'))) ? prefix : undefined;
}

async function answer(program: string, words: readonly string[]): Promise<Ran | undefined> {
  const ran = await runProgram(program, words);
  return ran.code === 0 ? ran : undefined;
}
