// What can a backbone be asked for with these data? Its classes, or the captions of a store.
import type { BackboneSpec } from '../backbones/backbone.js';
import { unreachable, UserError } from '../errors.js';
import { promptsOf, type Prompts } from '../exits/prompts.js';
import { openCaptions } from './captions.js';

/**
 * @param captions path of a store, where one is given
 * @param where one is given, for messages
 * @throws UserError if a backbone that is told captions has none, another has some, or the store does not fit
 */
export async function openPrompts(
  spec: BackboneSpec,
  captions: string | undefined,
  where: 'data.captions' | '--captions',
): Promise<Prompts> {
  switch (spec.conditioning) {
    case 'classes':
      if (captions === undefined) return promptsOf(spec);
      throw new UserError(
        `${where} is ${captions}, but ${spec.size} is told classes, not captions. Leave it out, or give another backbone.`,
      );
    case 'captions':
      if (captions !== undefined) return promptsOf(spec, await openCaptions(captions, spec));
      throw new UserError(
        `${spec.size} is told captions, and there are none. Give the folder of embedded captions as ${where} (docs/captions.md).`,
      );
    default:
      return unreachable(spec);
  }
}
