// Of which kind of model are these the parameter names? Half of its layers are enough: what is missing is then named.
import { familyOf } from '../backbones/families.js';
import { nameFromDiffusers } from '../backbones/ditDiffusers.js';
import { publishedNames, publishedSize } from '../backbones/spec.js';
import { pattern } from '../checkpoints/names.js';

/** Whether these are names of a backbone, those of a training checkpoint included. */
export function areBackboneNames(names: readonly string[]): boolean {
  const found = new Set(
    names
      .map((name) => name.replace(/^(ema|model|state_dict)\./, ''))
      .flatMap((name) => [name, nameFromDiffusers(name) ?? name])
      .map(pattern),
  );
  return publishedNames().some((size) => {
    const spec = publishedSize(size);
    const own = new Set(Object.keys(familyOf(spec).shapes(spec)).map(pattern));
    return [...own].filter((name) => found.has(name)).length >= own.size / 2;
  });
}

/** Whether these are names of an autoencoder, alone or in a checkpoint of the whole of Stable Diffusion. */
export function areVaeNames(names: readonly string[]): boolean {
  const there = (name: RegExp): boolean => names.some((one) => name.test(one));
  return (
    there(/^(state_dict\.)?(first_stage_model\.)?encoder\.conv_in\.weight$/) &&
    there(/^(state_dict\.)?(first_stage_model\.)?decoder\.conv_out\.weight$/)
  );
}
