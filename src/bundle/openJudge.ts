// Who judges pictures? The project's own classifier for pixels, or a network in an ONNX file, after decoding where needed.
import type { BackboneSpec } from '../backbones/backbone.js';
import { openData } from '../data/open.js';
import type { TrainConfig } from '../config/schema.js';
import type { Engine } from '../engine/engine.js';
import { UserError } from '../errors.js';
import { developed } from '../evaluate/developed.js';
import { openDigits } from '../evaluate/digits.js';
import type { FeatureExtractor } from '../evaluate/features.js';
import { openOnnxFeatures } from '../evaluate/onnxFeatures.js';
import type { Prompts } from '../exits/prompts.js';
import type { Progress } from '../training/progress.js';
import { openDeveloper, type Pictures } from '../vae/pictures.js';

export interface JudgeOptions {
  readonly engine: Engine;
  /** What the backbone draws. */
  readonly spec: BackboneSpec;
  readonly prompts: Prompts;
  /** What that is turned into before it is judged. */
  readonly pictures: Pictures;
  /** An ONNX file; unless given, a classifier learns from the training images. */
  readonly features: string | undefined;
  /** Those images. */
  readonly data: TrainConfig['data'];
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly progressOf: (label: string) => Progress;
}

export interface Judge {
  /** Of what the backbone draws. */
  readonly extractor: FeatureExtractor;
  /** Whether its classes are those that samples are asked for. */
  readonly decidesLabels: boolean;
  dispose(): Promise<void>;
}

/** @throws UserError if nobody can judge such pictures */
export async function openJudge(options: JudgeOptions): Promise<Judge> {
  const { spec, features, data, prompts, pictures, engine, signal, say, warn, progressOf } = options;
  switch (pictures.kind) {
    case 'latents':
      throw new UserError(
        `samples of ${spec.channels} channels are no pictures, and pictures are judged. Give the autoencoder that they are of with --vae.`,
      );
    case 'pixels': {
      const asking = { signal, say, warn };
      const extractor =
        features === undefined
          ? await openDigits(await openData(data, 'train', spec), {
              ...{ ...asking, seed: 0 },
              progress: progressOf('classifier'),
            })
          : await openOnnxFeatures(features, spec);
      const decidesLabels =
        features === undefined && spec.conditioning === 'classes' && prompts.count === extractor.classes;
      return { extractor, decidesLabels, dispose: () => extractor.dispose() };
    }
    case 'decoded': {
      if (features === undefined)
        throw new UserError(
          'the classifier judges pixels, and these samples are latents. Give a network in an ONNX file with --features (docs/evaluate.md).',
        );
      const developer = await openDeveloper(engine, spec, pictures);
      const shown = await openOnnxFeatures(features, developer);
      const length = spec.channels * spec.imageSize ** 2;
      const decoding = { vae: pictures.vae.fingerprint, tile: pictures.tile };
      const decidedBy = { ...decoding, engine: engine.kind, device: engine.device };
      return {
        extractor: developed(shown, developer, length, decidedBy),
        decidesLabels: false,
        async dispose() {
          await shown.dispose();
          await developer.dispose();
        },
      };
    }
  }
}
