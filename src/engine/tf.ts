// The only import of TensorFlow.js in the project: everyone takes `tf` from here.
import * as tf from '@tensorflow/tfjs';

export { tf };
