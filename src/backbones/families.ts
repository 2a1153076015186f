// Which backbone families are there? The one table.
import type { BackboneFamily, BackboneSpec } from './backbone.js';
import { dit } from './dit.js';

export const families: Readonly<Record<BackboneSpec['family'], BackboneFamily>> = { dit };

export function familyOf(spec: BackboneSpec): BackboneFamily {
  return families[spec.family];
}
