// What is a config for, and is it right?
import type { Config, ConfigKind } from '../config/schema.js';
import { namesAt } from '../config/keys.js';
import { purposeOf } from '../config/purpose.js';
import { readYamlFile } from '../config/yamlFile.js';
import { UserError } from '../errors.js';
import { bytesAt } from './bytes.js';

export interface ConfigFacts {
  readonly kind: 'config';
  readonly path: string;
  readonly bytes: number;
  /** Verbs it is right for; of a part, those that others could be for which extend it. */
  readonly purposes: readonly ConfigKind[];
  /** Undefined where it is a part, for others to extend. */
  readonly config: Config | undefined;
  /** The files it is made of. */
  readonly sources: readonly string[];
}

/** @throws UserError naming all that is wrong in it */
export async function configFacts(path: string): Promise<ConfigFacts> {
  const purpose = await purposeOf(path);
  const bytes = await bytesAt(path);
  switch (purpose.kind) {
    case 'whole': {
      const { kind, config, sources } = purpose.loaded;
      return { kind: 'config', path, bytes, purposes: [kind], config, sources };
    }
    case 'part':
      return { kind: 'config', path, bytes, purposes: purpose.of, config: undefined, sources: [path] };
  }
}

/** Whether a text is YAML with a section of some config, whatever is wrong inside; or has the name of YAML. */
export async function isConfig(path: string): Promise<boolean> {
  if (/\.ya?ml$/i.test(path)) return true;
  try {
    const { data } = await readYamlFile(path);
    const sections = [
      ...namesAt('train', []),
      ...namesAt('pretrain', []),
      ...namesAt('sample', []),
      ...namesAt('evaluate', []),
      'extends',
    ];
    return sections.some((name) => Object.hasOwn(data, name));
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
