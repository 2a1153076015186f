// On what are samples judged? Always the CPU: there numbers keep all 24 bits, and a judgement is the same beside every engine.
import { onnxEngine } from '../engine/onnx.js';

export const judgeEngine = onnxEngine({ threads: 0, reason: 'samples are judged on the CPU' });
