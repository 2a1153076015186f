// What did the ablation find? One JSON file, to which finished variants are added.
import { join } from 'node:path';
import { z } from 'zod';
import { isFile } from '../../src/files/disk.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../../src/files/jsonFile.js';

const uncertain = z.object({ value: z.number(), standardError: z.number().min(0) });

const measured = z.object({
  way: z.string(),
  kind: z.string(),
  depthUsed: z.number().positive(),
  steps: z.int().positive(),
  exits: z.array(z.int()),
  fid: uncertain,
  kid: uncertain,
  drift: z.number().min(0),
  agreement: z.number().min(0).max(1),
  speed: uncertain.optional().describe('seconds of full depth over its own, drawn in turns'),
  beside: z
    .object({ way: z.string(), fid: uncertain, kid: uncertain })
    .optional()
    .describe('differences to fewer steps at no less compute, from common noise'),
});

/** One way of drawing, judged. */
export type Measured = z.output<typeof measured>;

const ranking = z.object({
  variant: z.string(),
  samples: z.int().positive(),
  schedules: z.array(
    z.object({
      name: z.string(),
      steps: z.int().positive(),
      depthUsed: z.number().positive().describe('over full depth at the most steps'),
      predicted: z.number().min(0).describe('drift of fewer steps + weighted excess'),
      drift: z.number().min(0).describe('mean squared difference to the samples of full depth'),
      standardError: z.number().min(0),
    }),
  ),
  rankCorrelation: z.number().min(-1).max(1).describe('of predicted and drift (Spearman)'),
});

/** What was predicted of the schedules of a variant, and what came of it. */
export type Ranking = z.output<typeof ranking>;

const results = z.object({
  format: z.literal('exithead-ablation'),
  version: z.literal(1),
  findings: z.array(
    z.object({
      trial: z.string().describe('solver, steps, samples and seeds'),
      variant: z.string(),
      factor: z.string(),
      set: z.array(z.string()).describe('settings on top of configs/mnist/ablation.yaml'),
      weights: z.int().min(0).describe('numbers in the heads'),
      measured: z.array(measured),
    }),
  ),
  rankings: z.array(ranking).default([]),
});

export type Results = z.output<typeof results>;
export type Finding = Results['findings'][number];

const format = jsonFormat<Results>({
  schema: results,
  noun: 'results of the ablation',
  remedy: 'Take it from the repository again, or delete it: the ablation measures anew what is missing.',
});

const path = join(import.meta.dirname, '../../docs/ablation.json');

export async function readFound(): Promise<Omit<Results, 'format' | 'version'>> {
  return (await isFile(path)) ? readJsonFile(path, format) : { findings: [], rankings: [] };
}

/** Adds a finding; one of the same trial and variant gives way. */
export async function addFinding(finding: Finding): Promise<void> {
  const { findings, rankings } = await readFound();
  const others = findings.filter(
    ({ trial, variant }) => trial !== finding.trial || variant !== finding.variant,
  );
  await write({ findings: [...others, finding], rankings });
}

/** Adds a ranking; one of the same variant gives way. */
export async function addRanking(ranking: Ranking): Promise<void> {
  const { findings, rankings } = await readFound();
  await write({
    findings,
    rankings: [...rankings.filter(({ variant }) => variant !== ranking.variant), ranking],
  });
}

function write(found: Omit<Results, 'format' | 'version'>): Promise<void> {
  return writeJsonFile(path, format, { format: 'exithead-ablation', version: 1, ...found });
}
