// How do 16-bit floats widen to 32 bits, and narrow again?
import { roundHalfToEven } from '../rounding.js';

/** Reinterprets 32 bits as a float and back. */
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** IEEE 754 binary16, as in F16 tensors, widened exactly. @param halves their bits */
export function widenHalf(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1024 + fraction) * 2 ** (exponent - 25);
  });
}

/** bfloat16: the upper half of a 32-bit float. @param halves their bits */
export function widenBrain(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

/** Rounds to the nearest binary16, ties to even; what is too large becomes infinite. */
export function narrowHalf(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    float[0] = value;
    const [word = 0] = bits;
    const sign = (word >>> 16) & 0x8000;
    const size = Math.abs(value);
    if (Number.isNaN(value)) return sign | 0x7e00;
    if (size >= 65520) return sign | 0x7c00;
    // Below 2^-14 halves are evenly spaced, 2^-24 apart.
    if (size < 2 ** -14) return sign | roundHalfToEven(size * 2 ** 24);
    const exponent = ((word >>> 23) & 255) - 127;
    // A fraction that rounds up to 1024 carries into the exponent by itself.
    return sign | (((exponent + 15) << 10) + roundHalfToEven((size * 2 ** -exponent - 1) * 1024));
  });
}
