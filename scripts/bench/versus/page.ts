// How are results told? Tables in Markdown, for the terminal and for docs/performance.md.
import { withResults } from '../../resultsPage.js';
import { cases, tinyCases, type Case, type Target } from './cases.js';
import type { CaseResult, Results, SideResult } from './results.js';
import type { SideName } from './sides.js';

/** The page with these results in place of those it has. @throws UserError if it has no place for them */
export function renewed(page: string, { cases, machine, threads, rounds }: Results): string {
  const how = `${machine}; ${threads} threads on each side, medians of ${rounds} rounds.`;
  return withResults(page, 'against-torch.ts --write', `${how}\n\n${tables(cases)}`);
}

/**
 * What was hoped for and what was found, then every number.
 * @param results with that of `product`, if there is one: shares of its speed are told
 * @param shown names of the cases to show, all unless given
 */
export function tables(results: readonly CaseResult[], shown?: readonly string[]): string {
  const peak = peakOf(results);
  const found = [...cases, ...tinyCases].flatMap((one) => {
    const result = results.find(({ name }) => name === one.name);
    return result && (shown?.includes(one.name) ?? true) ? [{ one, result }] : [];
  });
  const wanted = found.flatMap(({ one, result }) => wishes(one, result));
  const notes = found.flatMap(({ one, result }) => result.notes.map((note) => `- ${one.name}: ${note}`));
  return [
    ...(wanted.length > 0 ? [table(['case', 'wanted', 'found', ''], wanted)] : []),
    table(
      ['case', 'side', 'ms', 'samples/s', 'speed', 'peak MB', 'beyond idle', 'of peak speed', 'difference'],
      found.flatMap(({ result }) => sideRows(result, peak)),
    ),
    ...(notes.length > 0 ? [notes.join('\n')] : []),
  ].join('\n\n');
}

/** Multiply-adds per millisecond of the fastest product of matrices. */
function peakOf(results: readonly CaseResult[]): number | undefined {
  const product = results.find(({ name }) => name === 'product');
  if (!product?.macs) return undefined;
  return product.macs / Math.min(...product.sides.map(({ best }) => best));
}

/** Speeds are told as multiples of this side's, or of the last one's where it does not take part. */
const yardstick: SideName = 'torch eager';

function sideRows({ name, batch, macs, sides, ratios }: CaseResult, peak: number | undefined): string[][] {
  const base = sides.find((side) => side.name === yardstick) ?? sides.at(-1);
  return sides.map((side, i) => {
    const ratio = ratios.find((r) => r.side === side.name && r.than === base?.name)?.times;
    return [
      i === 0 ? name : '',
      side.name,
      digits(side.milliseconds),
      digits((1000 * batch) / side.milliseconds),
      ratio === undefined ? '1' : `${ratio.toFixed(2)}x`,
      side.peakMegabytes?.toFixed(0) ?? 'not known',
      beyondIdle(side)?.toFixed(0) ?? 'not known',
      macs && peak ? `${((100 * macs) / side.milliseconds / peak).toFixed(0)}%` : '',
      i === 0 ? '' : side.difference.toExponential(0),
    ];
  });
}

function wishes(one: Case, result: CaseResult): string[][] {
  const speed = one.targets.flatMap((target) => {
    const times = speedOf(target, result);
    if (times === undefined) return [];
    const wanted = `${target.side} >= ${target.times.toFixed(2)}x ${target.than.join(' and ')}`;
    const is = `${times.toFixed(2)}x`;
    return [[one.name, wanted, is, verdict(times / target.times)]];
  });
  // A lone product is a yardstick; nothing is hoped of it.
  if (one.work.kind === 'gemm') return speed;
  const memory = result.sides
    .filter(({ name }) => name.startsWith('onnx'))
    .flatMap((side) => memoryWishes(side, result));
  return [...speed, ...memory.map((row) => [one.name, ...row])];
}

/** Of the ratios to all sides that it should be faster than, the least. */
function speedOf({ side, than }: Target, { ratios }: CaseResult): number | undefined {
  const found = ratios.filter((r) => r.side === side && than.some((name) => name === r.than));
  return found.length === 0 ? undefined : Math.min(...found.map(({ times }) => times));
}

/** Is the peak below that of every torch side: as a whole, and without what the libraries take? */
function memoryWishes(side: SideResult, { sides }: CaseResult): string[][] {
  const rule = (what: string, of: (side: SideResult) => number | undefined): string[][] => {
    const ours = of(side);
    const theirs = sides.filter(({ name }) => name.startsWith('torch')).flatMap((other) => of(other) ?? []);
    if (ours === undefined || theirs.length === 0) return [];
    const least = Math.min(...theirs);
    return [
      [
        `${side.name} in less memory than torch${what}`,
        `${ours.toFixed(0)} of ${least.toFixed(0)} MB`,
        verdict(least / ours),
      ],
    ];
  };
  return [
    ...rule('', ({ peakMegabytes }) => peakMegabytes ?? undefined),
    ...rule(', libraries aside', beyondIdle),
  ];
}

function beyondIdle({ peakMegabytes, idleMegabytes }: SideResult): number | undefined {
  return peakMegabytes === null || idleMegabytes === null ? undefined : peakMegabytes - idleMegabytes;
}

/** @param part what was found over what was wanted */
function verdict(part: number): string {
  return part >= 1 ? 'reached' : `missed by ${(100 * (1 - part)).toFixed(0)}%`;
}

/** Three digits that count. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, i) => (i < 2 ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
