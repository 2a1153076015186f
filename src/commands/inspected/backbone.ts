// What does the user see of a backbone?
import type { BackboneFacts, UnfitBackboneFacts } from '../../inspect/backbone.js';
import type { BackboneConfigFacts } from '../../inspect/backboneConfig.js';
import type { Costs, PartMacs } from '../../inspect/macs.js';
import type { MeasuredExit } from '../../schedules/errorTable.js';
import type { Terminal } from '../terminal.js';
import { counted, millions, sized, typed, whole } from './numbers.js';
import { specLines } from './spec.js';

export function showBackbone(facts: BackboneFacts, terminal: Terminal): void {
  const { spec, reason, layout, parameters, dtypes, bytes, fingerprint, leftOut } = facts;
  terminal.line(`${spec.size}, a backbone of ${whole(parameters)} parameters, all finite`);
  terminal.line(`why: ${reason}${layout === 'official' ? '' : `; the layout is that of ${layout}`}`);
  specLines(spec).forEach((line) => terminal.line(line));
  terminal.line(`types: ${typed(dtypes)}; ${sized(bytes)}`);
  if (leftOut.length > 0)
    terminal.line(
      `left out: ${counted(leftOut.length, 'tensor')} that it does not read, such as ${leftOut[0]}`,
    );
  terminal.line(`fingerprint ${fingerprint}`);
  showCosts(facts, terminal);
}

export function showBackboneConfig(facts: BackboneConfigFacts, terminal: Terminal): void {
  const { spec, parameters } = facts;
  terminal.line(`the config of ${spec.size}, a backbone of ${whole(parameters)} parameters`);
  terminal.line('why: it has the options of one; its weights are elsewhere');
  specLines(spec).forEach((line) => terminal.line(line));
  showCosts(facts, terminal);
}

/** What is wrong with it, the command says in its end. */
export function showUnfitBackbone({ path, spec }: UnfitBackboneFacts, terminal: Terminal): void {
  terminal.line(`${path} is a backbone, but not one that can run`);
  if (spec) specLines(spec).forEach((line) => terminal.line(line));
}

function showCosts({ parts, exits }: Costs, terminal: Terminal): void {
  terminal.table([['part', 'MMACs each'], ...parts.map((one) => [partName(one), millions(one.macs)])]);
  showExits(exits, terminal);
}

function partName(one: PartMacs): string {
  if (one.part !== 'blocks') return one.part;
  return one.from === one.to ? `block ${one.from}` : `blocks ${one.from}-${one.to}`;
}

export function showExits(exits: readonly MeasuredExit[], terminal: Terminal): void {
  const full = exits.at(-1)?.macs ?? NaN;
  terminal.table([
    ['exit', 'head', 'MMACs', 'of full depth'],
    ...exits.map(({ exit, kind, macs }) => [
      exit,
      kind,
      millions(macs),
      `${((100 * macs) / full).toFixed(1)}%`,
    ]),
  ]);
}
