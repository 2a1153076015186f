// What is a config file for, where no verb says so?
import { fileLayers, merge } from './layers.js';
import { loadConfig, type Loaded } from './load.js';
import { check } from './parse.js';
import { movePaths } from './paths.js';
import type { ConfigKind } from './schema.js';

/** A config of few keys may serve for several: the one that asks for most comes first. */
const kinds = ['train', 'pretrain', 'sample', 'evaluate'] as const satisfies readonly ConfigKind[];

export type LoadedForSome = { readonly [Kind in ConfigKind]: Loaded<Kind> }[ConfigKind];

export type Purpose =
  | { readonly kind: 'whole'; readonly loaded: LoadedForSome }
  | {
      /** Right as far as it goes: something for other files to extend. */
      readonly kind: 'part';
      readonly of: readonly ConfigKind[];
    };

/**
 * The first kind of config that a file is, of train, pretrain, sample and evaluate.
 * @throws UserError with all that is wrong in it, as a config of the kind that it comes nearest to
 */
export async function purposeOf(path: string): Promise<Purpose> {
  const layers = await fileLayers(path);
  const attempts = kinds.map((kind) => {
    const value = layers
      .map(({ data, folder }) => movePaths(kind, data, folder, '.'))
      .reduce<unknown>(merge, {});
    const checked = check(kind, value);
    return { kind, problems: checked.ok ? [] : checked.problems };
  });
  const whole = attempts.find(({ problems }) => problems.length === 0);
  if (whole) return { kind: 'whole', loaded: await load(path, whole.kind) };
  const wrong = attempts.map(({ kind, problems }) => ({
    kind,
    count: problems.filter(({ isMissing }) => !isMissing).length,
  }));
  const of = wrong.filter(({ count }) => count === 0).map(({ kind }) => kind);
  if (of.length > 0) return { kind: 'part', of };
  const [nearest] = wrong.sort((a, b) => a.count - b.count);
  // Says what is wrong, with the place of each.
  return { kind: 'whole', loaded: await load(path, nearest?.kind ?? 'train') };
}

async function load(path: string, kind: ConfigKind): Promise<LoadedForSome> {
  switch (kind) {
    case 'train':
      return loadConfig(path, { kind });
    case 'pretrain':
      return loadConfig(path, { kind });
    case 'sample':
      return loadConfig(path, { kind });
    case 'evaluate':
      return loadConfig(path, { kind });
  }
}
