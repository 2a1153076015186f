// Which exits lie in a folder as ONNX graphs, and are all its files those that were exported?
import { join } from 'node:path';
import { onnxFolder, onnxManifestFile, readOnnxGraphs } from '../bundle/onnx.js';
import type { OnnxManifest } from '../bundle/onnxManifest.js';
import { isFile } from '../files/disk.js';
import type { Schedule } from '../schedules/schedule.js';
import { attempted } from './attempted.js';
import { bytesAt } from './bytes.js';

export interface OnnxGraphsFacts {
  readonly kind: 'onnx graphs';
  readonly path: string;
  readonly bytes: number;
  readonly manifest: OnnxManifest;
}

/** @throws UserError if a file is missing, or not the one that was exported */
export async function onnxGraphsFacts(path: string): Promise<OnnxGraphsFacts> {
  const manifest = await readOnnxGraphs(path);
  return { kind: 'onnx graphs', path, bytes: await bytesAt(path), manifest };
}

/** The exits that a bundle holds as graphs, and what is wrong with them; neither where it holds none. */
export async function bundledGraphs(
  bundle: string,
  schedule: Schedule,
): Promise<{ readonly exits: readonly number[]; readonly problems: readonly string[] }> {
  const folder = join(bundle, onnxFolder);
  if (!(await isFile(join(folder, onnxManifestFile)))) return { exits: [], problems: [] };
  const read = await attempted(() => readOnnxGraphs(folder));
  if ('problem' in read) return { exits: [], problems: [read.problem] };
  const { backbone, heads, schedule: of, graphs } = read.result;
  const isOfBundle =
    backbone.fingerprint === schedule.backbone &&
    heads === schedule.heads &&
    of.timesteps.join() === schedule.timesteps.join() &&
    of.exits.join() === schedule.exits.join();
  const problem = `${folder} holds the graphs of other heads or of another schedule than ${bundle}. Export it again.`;
  return { exits: graphs.map(({ exit }) => exit), problems: isOfBundle ? [] : [problem] };
}
