// How is the addon built that joins TensorFlow.js to a TensorFlow library? With node-gyp, against what was unpacked.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { isFile } from '../../files/disk.js';
import { writeFileAtomic } from '../../files/write.js';
import { addonIn } from './folder.js';
import { lastWords, runProgram } from './program.js';
import type { Tools } from './tools.js';

export interface AddonOptions {
  readonly folder: string;
  /** The npm package that the source is in. */
  readonly source: string;
  readonly platform: string;
  readonly tools: Tools;
  readonly signal: AbortSignal;
}

/** @throws UserError if the build fails, with what the compiler said */
export async function buildAddon({ folder, source, platform, tools, signal }: AddonOptions): Promise<void> {
  await rm(join(folder, 'build'), { recursive: true, force: true });
  await writeFileAtomic(
    join(folder, 'binding.gyp'),
    `${JSON.stringify(recipe(source, platform), null, 2)}\n`,
  );
  // npm brings a node-gyp along and puts it on the path of scripts, so that none has to be installed.
  const scripts = { build: 'node-gyp rebuild' };
  await writeFileAtomic(
    join(folder, 'package.json'),
    `${JSON.stringify({ private: true, scripts }, null, 2)}\n`,
  );
  const headers = tools.headers === undefined ? [] : [`--nodedir=${tools.headers}`];
  const words = ['run', '--silent', 'build', '--', `--python=${tools.python}`, ...headers];
  const ran = await runProgram('npm', words, { cwd: folder, signal });
  if (ran.code !== 0 || !(await isFile(addonIn(folder))))
    throw new UserError(
      `the addon could not be built. Look at what the compiler said, and install again; the downloads stay:\n` +
        lastWords(ran, 30),
    );
}

/**
 * The build file of the package wants a library of another name in another place; this one takes the wheel's. The
 * libraries are found relative to the addon, so the folder may be moved.
 */
function recipe(source: string, platform: string): unknown {
  const end = platform === 'darwin' ? '2.dylib' : 'so.2';
  const libraries = ['libtensorflow_cc', 'libtensorflow_framework'].map((name) => `${name}.${end}`);
  const files = ['tfjs_backend.cc', 'tfjs_binding.cc'];
  const search =
    platform === 'darwin'
      ? { xcode_settings: { OTHER_LDFLAGS: ['-Wl,-rpath,@loader_path/../../tensorflow'] } }
      : { ldflags: ["-Wl,-rpath,'$$ORIGIN/../../tensorflow'"] };
  const target = {
    target_name: 'tfjs_binding',
    sources: files.map((file) => `node_modules/${source}/binding/${file}`),
    include_dirs: ['tensorflow/include'],
    defines: ['NAPI_VERSION=8'],
    libraries: libraries.map((file) => `<(module_root_dir)/tensorflow/${file}`),
    ...search,
  };
  return { targets: [target] };
}
