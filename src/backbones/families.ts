// Which backbone families are there? The one table.
import type { BackboneFamily, BackboneSpec, DitSpec, PixartSpec, UvitSpec } from './backbone.js';
import { dit } from './dit.js';
import { pixart } from './pixart.js';
import { uvit } from './uvit.js';

interface Families {
  readonly dit: BackboneFamily<DitSpec>;
  readonly uvit: BackboneFamily<UvitSpec>;
  readonly pixart: BackboneFamily<PixartSpec>;
}

export const families: Families = { dit, uvit, pixart };

/** The family of a spec; it is given no other spec than its own. */
export function familyOf(spec: BackboneSpec): BackboneFamily {
  return families[spec.family];
}

/** Exits that heads may have: from the first that means something to the last but one block. */
export function exitsForHeads(spec: BackboneSpec): number[] {
  const first = familyOf(spec).firstExit(spec);
  return Array.from({ length: spec.depth - first }, (_, i) => first + i);
}
