// What is this, why, and is it whole? Finds the kind of thing by its content, and lets its own file tell the facts.
import { join } from 'node:path';
import type { ExitRule } from '../backbones/backbone.js';
import { onnxManifestFile } from '../bundle/onnx.js';
import type { WeightsChoice } from '../checkpoints/torch.js';
import { configFile, locatedModel, readConfig, weightsPath } from '../checkpoints/weightsFile.js';
import { unreachable, UserError } from '../errors.js';
import { isFile } from '../files/disk.js';
import { isHubAddress } from '../hub/address.js';
import { isVaeConfig } from '../vae/spec.js';
import { bundleFacts } from './bundle.js';
import { configFacts, isConfig, type ConfigFacts } from './config.js';
import { contentOf, inspectable } from './content.js';
import { jsonFacts, type JsonFacts } from './json.js';
import { runFacts, type RunFacts } from './run.js';
import { vaeFacts } from './vae.js';
import { safetensorsFacts, torchFacts, type Reading, type WeightsFacts } from './weights.js';

/** Everything that can be known, by kind. What is wrong with it stands in `problems`, where it can be told at all. */
export type Inspected = ConfigFacts | JsonFacts | RunFacts | WeightsFacts;

/** How to read what the content leaves open, under the names of `BackboneSource`. */
export interface InspectOptions {
  readonly weights?: WeightsChoice | undefined;
  readonly size?: string | undefined;
  readonly config?: string | undefined;
  readonly imageSize?: number | undefined;
  readonly exitRule?: ExitRule | undefined;
  /** Of what refers to a backbone: where that is. */
  readonly backbone?: string | undefined;
}

/**
 * @param path of anything that `inspectable` names, or a model on the hub
 * @throws UserError if it is nothing known, too damaged to tell, or an option does not go with it
 */
export async function inspect(path: string, options: InspectOptions = {}): Promise<Inspected> {
  const facts = await factsOf(path, options);
  requireApplicable(path, facts, options);
  return facts;
}

/** What is wrong, in words; empty if all is well. */
export function problemsOf(facts: Inspected): readonly string[] {
  return 'problems' in facts ? facts.problems : [];
}

async function factsOf(path: string, options: InspectOptions): Promise<Inspected> {
  const { backbone, weights = 'auto', ...rest } = options;
  const isBackbone = Object.values({ ...rest, weights: options.weights }).some((one) => one !== undefined);
  const reading: Reading = { source: { ...rest, path, weights }, isBackbone, backbone };
  if (isHubAddress(path)) return factsOf((await locatedModel(path, 'transformer')).path, options);
  const content = await contentOf(path);
  switch (content.kind) {
    case 'folder':
      return folderFacts(path, reading);
    case 'safetensors':
      return safetensorsFacts(path, reading);
    case 'torch':
      return torchFacts(path, reading);
    case 'json':
      return isShardIndex(content.value)
        ? safetensorsFacts(path, reading)
        : jsonFacts(path, content.value, backbone);
    case 'text':
      if (await isConfig(path)) return configFacts(path);
      throw strange(path, 'text, but no config');
    case 'unknown':
      throw strange(path, 'something that exithead does not know');
    default:
      return unreachable(content);
  }
}

/** A folder is what the file in it says that describes it. */
async function folderFacts(path: string, reading: Reading): Promise<Inspected> {
  if (await isFile(join(path, 'bundle.json'))) return bundleFacts(path, reading.backbone);
  if (await isFile(join(path, 'config.yaml'))) return runFacts(path);
  for (const name of ['index.json', 'captions.json', 'evaluation.json', onnxManifestFile]) {
    const index = join(path, name);
    if (await isFile(index)) return jsonFacts(index, await readConfig(index), reading.backbone);
  }
  const config = join(path, configFile);
  if ((await isFile(config)) && isVaeConfig(await readConfig(config))) return vaeFacts(path);
  const file = await weightsPath(path, 'transformer');
  return (await contentOf(file)).kind === 'torch'
    ? torchFacts(file, reading)
    : safetensorsFacts(file, reading);
}

function isShardIndex(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'weight_map' in json;
}

/** Options that a kind of thing can be read with. */
function applicable(kind: Inspected['kind']): readonly (keyof InspectOptions)[] {
  switch (kind) {
    case 'backbone':
    case 'unfit backbone':
      return ['weights', 'size', 'config', 'imageSize', 'exitRule'];
    case 'bundle':
    case 'heads':
    case 'uncertainty heads':
    case 'low-rank additions':
    case 'schedule':
    case 'error table':
    case 'evaluation':
    case 'sensitivities':
    case 'trajectories':
    case 'front':
    case 'part of an error table':
    case 'calibration':
      return ['backbone'];
    case 'autoencoder':
    case 'autoencoder config':
    case 'backbone config':
    case 'captions':
    case 'config':
    case 'features':
    case 'heads of a bundle':
    case 'latents':
    case 'onnx graphs':
    case 'run':
    case 'tensors':
    case 'training checkpoint':
      return [];
    default:
      return unreachable(kind);
  }
}

function requireApplicable(path: string, { kind }: Inspected, options: InspectOptions): void {
  const known = applicable(kind);
  const [odd] = Object.entries(options).flatMap(([name, value]) =>
    value === undefined || known.some((one) => one === name) ? [] : [name],
  );
  if (odd === undefined) return;
  const flag = odd.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new UserError(`${path} is of the kind ${kind}, so --${flag} does not go with it. Remove it.`);
}

function strange(path: string, what: string): UserError {
  return new UserError(`${path} is ${what}. Give ${inspectable}.`);
}
