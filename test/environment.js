// jest runs tests in a second JavaScript realm whose typed arrays native addons (onnxruntime, sharp) do not
// recognise. This environment hands the tests the process's own typed arrays.
import { TestEnvironment } from 'jest-environment-node';

const shared = [
  'ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Uint8Array', 'Uint8ClampedArray', 'Int8Array', 'Uint16Array',
  'Int16Array', 'Uint32Array', 'Int32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array',
]; // prettier-ignore

export default class RealmSharingEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    for (const name of shared) this.global[name] = globalThis[name];
  }
}
