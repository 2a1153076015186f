// Which autoencoder is it?
import { countOf } from '../engine/tensors.js';
import { openVae, type StoredVae } from '../vae/openVae.js';
import { dtypesOf, entriesOf, type DtypeFacts } from './dtypes.js';

export interface VaeFacts extends Pick<StoredVae, 'spec' | 'reason' | 'layout' | 'fingerprint'> {
  readonly kind: 'autoencoder';
  readonly path: string;
  /** Of its parameters. */
  readonly bytes: number;
  readonly parameters: number;
  readonly dtypes: readonly DtypeFacts[];
}

/** @throws UserError if it cannot be opened, naming all that is missing or wrong */
export async function vaeFacts(path: string): Promise<VaeFacts> {
  const { spec, reason, layout, fingerprint, weights } = await openVae(path);
  const dtypes = dtypesOf(entriesOf(weights));
  return {
    kind: 'autoencoder',
    path,
    bytes: dtypes.reduce((sum, { bytes }) => sum + bytes, 0),
    ...{ spec, reason, layout, fingerprint },
    parameters: countOf(weights),
    dtypes,
  };
}
