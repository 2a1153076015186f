// What does the user see of a run?
import { unreachable } from '../../errors.js';
import type { RunFacts, TrainRunFacts } from '../../inspect/run.js';
import type { Terminal } from '../terminal.js';
import { showBackbone, showExits, showUnfitBackbone } from './backbone.js';
import { plansTold } from './made.js';
import { counted, sized, whole } from './numbers.js';
import { specLines } from './spec.js';

export function showRun(facts: RunFacts, terminal: Terminal): void {
  const { name, verb, state, steps, checkpoints, bytes } = facts;
  const [newest] = checkpoints;
  const done = state === 'unfinished' ? (newest?.step ?? 0) : steps;
  terminal.line(
    `${state === 'unfinished' ? 'an unfinished' : 'a finished'} run of exithead ${verb}: ${name}, ${whole(done)} of ${counted(steps, 'step')}`,
  );
  const why =
    verb === 'uncertainty'
      ? 'its config.yaml says so, and it lies in a run'
      : `its config.yaml is one for ${verb}`;
  terminal.line(`why: ${why}; ${sized(bytes)}`);
  terminal.line(
    checkpoints.length === 0
      ? 'no checkpoints'
      : `checkpoints after steps ${checkpoints.map(({ step }) => whole(step)).join(', ')}, ${sized(checkpoints.reduce((sum, one) => sum + one.bytes, 0))}`,
  );
  if (facts.state === 'unfinished') {
    terminal.line(`go on with: ${facts.resume}`);
    return;
  }
  if (facts.state === 'unopened') return;
  switch (facts.verb) {
    case 'pretrain':
      if (facts.backbone.kind === 'backbone') showBackbone(facts.backbone, terminal);
      else showUnfitBackbone(facts.backbone, terminal);
      return;
    case 'train':
      terminal.line(modeTold(facts.mode));
      terminal.line(`${plansTold(facts.plans)} on ${facts.spec.size} (${facts.source})`);
      specLines(facts.spec).forEach((line) => terminal.line(line));
      terminal.line(`backbone fingerprint ${facts.fingerprint}`);
      terminal.line(`heads of ${whole(facts.headParameters)} parameters, fingerprint ${facts.heads}`);
      terminal.line(
        `made since: ${facts.made.length === 0 ? `nothing; profile it with: exithead profile ${facts.path}` : facts.made.join(', ')}`,
      );
      showExits(facts.exits, terminal);
      return;
    case 'uncertainty':
      terminal.line(`its heads lie in the run ${facts.of}`);
      return;
    default:
      return unreachable(facts);
  }
}

/** What the training moved. */
function modeTold(mode: TrainRunFacts['mode']): string {
  switch (mode) {
    case 'frozen':
      return 'mode frozen: only heads were trained';
    case 'finetune':
      return 'mode finetune: the backbone itself was trained at its exits, and lies in the run';
    case 'lora':
      return 'mode lora: low-rank additions to the backbone were trained, and the sum lies in the run';
    default:
      return unreachable(mode);
  }
}
