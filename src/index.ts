// What may other programs use? The public API, in the order of the pipeline.
export { UserError, Interrupted } from './errors.js';
export { loadConfig, configYaml, type Loaded, type LoadOptions } from './config/load.js';
export type { Config, ConfigKind, PretrainConfig, SampleConfig, TrainConfig } from './config/schema.js';

export { pickEngine, type EngineOptions } from './engine/pick.js';
export type {
  CompiledStep,
  CompileOptions,
  Engine,
  EngineKind,
  Feeds,
  InputSpec,
  Step,
  Tensors,
} from './engine/engine.js';
export type {
  FrozenPrecision,
  FrozenWeight,
  FrozenWeights,
  HostTensor,
  HostTensors,
  QuantisedTensor,
  StoredTensor,
  Weight,
  Weights,
} from './engine/tensors.js';
export { tf } from './engine/tf.js';
export { macsOf } from './trace/trace.js';

export { openBackbone, type BackboneSource, type OpenedBackbone } from './checkpoints/backbone.js';
export { writeBackbone } from './checkpoints/writeBackbone.js';
export { hearingDownloads, type DownloadListener } from './hub/listener.js';
export { planConversion, writeConversion, type Conversion, type Difference } from './checkpoints/convert.js';
export type { Layout } from './backbones/layout.js';
export { openSafetensors, writeSafetensors, type SafetensorsFile } from './checkpoints/safetensors.js';
export { openTorch, type TorchFile } from './checkpoints/torch.js';
export { readTensor, readTensors } from './checkpoints/stored.js';
export { fingerprintOf } from './checkpoints/fingerprint.js';

export type {
  Backbone,
  BackboneFamily,
  BackboneSpec,
  DitSpec,
  ExitRule,
  PixartSpec,
  Prompt,
  Query,
  State,
  TimeAxis,
  UvitSpec,
} from './backbones/backbone.js';
export { exitsForHeads, families, familyOf } from './backbones/families.js';
export {
  ditSpec,
  pixartSpec,
  publishedNames,
  publishedSize,
  readSpec,
  specJson,
  uvitSpec,
  withExitRule,
} from './backbones/spec.js';
export { recognise, type Recognised } from './backbones/recognise.js';
export { guided, requireGuidable } from './backbones/guidance.js';

export { headKinds, headPlan, initialHeads, runHead, type HeadPlan } from './exits/heads.js';
export { memoryAt, residualOf, type Memory, type Remembered } from './exits/memory.js';
export { readHeads, writeHeads, type TrainedHeads } from './exits/headsFile.js';
export { exitMacs, exitsOf, exitStep, type Model, type StoredModel } from './exits/model.js';
export { modelIn, quantise, weightsIn } from './exits/precision.js';
export {
  features,
  residualsOf,
  runAll,
  runHeads,
  runTo,
  type ExitPrediction,
  type Heads,
} from './exits/run.js';
export { openDenoiser, type Denoiser, type Trajectory } from './exits/denoiser.js';
export { openPerSample, type PerSampleDenoiser } from './exits/perSample.js';
export { promptsOf, type CaptionBatch, type Captions, type Prompts } from './exits/prompts.js';

export {
  diffusion,
  ddpmBetas,
  alphaBar,
  logSnr,
  type BetaOptions,
  type Diffusion,
} from './diffusion/betas.js';
export { addNoise, predictX0 } from './diffusion/forward.js';
export { respace } from './diffusion/respace.js';
export { spacedTimes, type Spacing } from './diffusion/spacing.js';

export type { Batch, Dataset, Draws } from './data/dataset.js';
export { mnistFiles, openIdxDataset } from './data/idxDataset.js';
export { imagesInMemory, type ImageBytes, type ImageDataset } from './data/memory.js';
export { openLatents, type LatentsDataset } from './data/latents.js';
export { readLatentsIndex, writeLatentsIndex, type LatentsIndex } from './data/latentsIndex.js';
export { openLatentShard, writeLatentShard, type LatentShard } from './data/latentShard.js';
export { listImages, readClassNames, type ImageFolder } from './data/imageFolder.js';
export { openImages, type ImagesOptions } from './data/images.js';
export { readImage } from './data/imageFile.js';
export { batches, examples } from './data/batches.js';
export { openCaptions } from './data/captions.js';
export { openPrompts } from './data/openPrompts.js';
export { writeCaptions, type CaptionStoreOptions, type EmbeddedCaptions } from './data/writeCaptions.js';

export { planEncoding, type EncodeOptions, type EncodePlan } from './encode/plan.js';
export { encodeImages, rehearseEncoding, type Encoding, type EncodeWork } from './encode/encode.js';

export { openVae, type StoredVae, type VaeOptions } from './vae/openVae.js';
export { openVaeEncoder, type Encoded, type VaeEncoder } from './vae/encoder.js';
export { openVaeDecoder, type VaeDecoder } from './vae/decoder.js';
export { fromDiffusion, toDiffusion } from './vae/scaling.js';
export type { VaeSpec } from './vae/spec.js';

export { pretrain } from './training/pretrain.js';
export { lambdas, type LambdaRule } from './training/lambda.js';
export { trainHeads } from './training/trainHeads.js';
export { trainRun } from './training/modes.js';
export { trainUncertainty } from './training/trainUncertainty.js';
export { openTrained, type Trained } from './training/openTrained.js';
export { createRun, openRun, type Run } from './training/runFolder.js';
export { startRun } from './training/startRun.js';
export { readMetrics, type MetricsLine } from './training/metrics.js';
export type { Work } from './training/fit.js';
export type { Progress } from './training/progress.js';

export { profile, type ProfileOptions } from './schedules/profile.js';
export { readErrorTable, writeErrorTable, type ErrorTable } from './schedules/errorTable.js';
export { mergeShards, profileRun, profileShard } from './bundle/profileRun.js';
export { measureSensitivity, type SensitivityOptions } from './schedules/measureSensitivity.js';
export { measureTrajectories, type TrajectoriesOptions } from './schedules/measureTrajectories.js';
export { readTrajectories, writeTrajectories, type Trajectories } from './schedules/trajectories.js';
export { readSensitivity, writeSensitivity, type Sensitivity } from './schedules/sensitivity.js';
export { cheapestSchedule, frontier, solveSchedule } from './schedules/solve.js';
export { sensitivityAt } from './schedules/stepWeights.js';
export { uniformSchedule } from './schedules/baselines.js';
export { frontOverSteps, solveOverSteps } from './schedules/overSteps.js';
export { calibrate, type CalibrateOptions } from './schedules/calibrate.js';
export { exitAt, readSchedule, stretchesOf, writeSchedule, type Schedule } from './schedules/schedule.js';

export { sample, type Denoise, type SampleOptions } from './samplers/sampler.js';
export { generateBatch } from './samplers/generate.js';
export { drift } from './samplers/compare.js';
export { callsOf, type Solver } from './samplers/solvers.js';

export { exportBundle } from './bundle/export.js';
export { readOnnxGraphs, writeOnnxGraphs, type OnnxContents } from './bundle/onnx.js';
export type { OnnxManifest } from './bundle/onnxManifest.js';
export { readBundle, writeBundle, type Bundle, type BundleContents } from './bundle/bundle.js';
export { openBundle, type OpenedBundle } from './bundle/openBundle.js';
export { draw, planDrawing, type Drawing } from './bundle/draw.js';
export { evaluateBundle, type EvaluationWork } from './bundle/evaluate.js';
export { planEvaluation, type EvaluationPlan } from './bundle/evaluationPlan.js';

export { agreement, accuracyOn } from './evaluate/agreement.js';
export { trainClassifier, type Classifier } from './evaluate/classifier.js';
export type { FeatureExtractor, Seen } from './evaluate/features.js';
export { openDigits, type DigitsOptions } from './evaluate/digits.js';
export { openOnnxFeatures } from './evaluate/onnxFeatures.js';
export { readFeaturesFile, type FeaturesFile } from './evaluate/featuresFile.js';
export { referenceFeatures, type ReferenceOptions } from './evaluate/reference.js';
export { differenceOf, type Estimate, type Uncertain } from './evaluate/estimate.js';
export {
  frechetDistance,
  frechetEstimate,
  frechetReference,
  momentsOf,
  type FrechetReference,
  type Moments,
} from './evaluate/frechet.js';
export { kernelDistance, kernelReference, type KernelReference } from './evaluate/kid.js';
export {
  manifoldOf,
  precisionRecall,
  type Manifold,
  type PrecisionRecall,
} from './evaluate/precisionRecall.js';
export { inceptionScore } from './evaluate/inceptionScore.js';
export {
  differenceBetween,
  distanceOf,
  evaluateWays,
  type EvaluateOptions,
  type Row,
  type Sampling,
} from './evaluate/evaluateWays.js';
export { referenceOf, type Reference } from './evaluate/judge.js';
export { evaluatedRows, type Evaluation } from './evaluate/results.js';
export {
  cachings,
  fewerSteps,
  fixedExits,
  fullDepth,
  type Course,
  type SamplingWay,
} from './evaluate/ways.js';
export { tooFew } from './evaluate/tooFew.js';
export { imageGrid, type Picture } from './report/grid.js';
export { reportPage, writeReport, type Report } from './report/page.js';
export { runReport } from './report/runReport.js';

export { inspect, problemsOf, type Inspected, type InspectOptions } from './inspect/inspect.js';
