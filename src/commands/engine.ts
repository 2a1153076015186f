// exithead engine: says what computes on this machine, installs and removes engines, and checks one.
import { Interrupted, UserError } from '../errors.js';
import { engineKinds, engineLine, type EngineKind, type RunningKind } from '../engine/engine.js';
import { engines } from '../engine/engines.js';
import { engineFolder, installKinds, type InstallKind } from '../engine/install/folder.js';
import {
  install,
  installed,
  planInstall,
  removeEngine,
  type InstallPlan,
} from '../engine/install/install.js';
import { autoChoice, pickEngine } from '../engine/pick.js';
import { checkEngine, toleranceOf } from '../evaluate/checkEngine.js';
import { engineSpeed } from '../evaluate/engineSpeed.js';
import { megabytes } from '../files/room.js';
import type { engine } from './declarations.js';
import type { Terminal } from './terminal.js';
import { threadsOf } from './threads.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';

type EngineCall = Call<OptionsOf<typeof engine>>;

export default async function run(call: EngineCall, terminal: Terminal): Promise<Result> {
  const task = targetOf(call);
  const refuseKind = call.operand !== undefined && task === 'list';
  if (refuseKind) throw new UserError(`exithead engine list takes no kind, but found ${call.operand}`);
  if (call.dryRun && task !== 'install')
    throw new UserError(`--dry-run goes with install alone, not with ${task}`);
  for (const name of ['threads', 'provider'] as const)
    if (call.options[name] !== undefined && task !== 'check')
      throw new UserError(`--${name} goes with check alone, not with ${task}`);
  switch (task) {
    case 'list':
      return list(terminal);
    case 'install':
      return installing(kindOf(call), call, terminal);
    case 'check':
      return check(call, terminal);
    case 'remove':
      return remove(kindOf(call), call, terminal);
    default:
      throw new Error(`exithead engine: nothing does ${task}`);
  }
}

/** The engine to install or to remove. */
function kindOf({ target, operand }: Pick<Call, 'target' | 'operand'>): InstallKind {
  const kind = installKinds.find((name) => name === operand);
  if (kind) return kind;
  const found =
    operand === undefined ? 'none was given' : `${operand} comes with exithead or its own package`;
  throw new UserError(
    `exithead engine ${target} needs one of ${installKinds.join(', ')}; ${found}. For example: exithead engine ${target} native`,
  );
}

async function list(terminal: Terminal): Promise<Result> {
  const auto = await autoChoice();
  const kinds = engineKinds.filter((kind): kind is RunningKind => kind !== 'auto');
  const rows = await Promise.all(
    kinds.map(async (kind) => ({
      kind,
      summary: engines[kind].summary,
      isAuto: kind === auto.kind,
      ...(await engines[kind].probe()),
    })),
  );
  terminal.table([
    ['engine', 'here', 'how it runs'],
    ...rows.map((row) => [row.kind, row.usable ? row.device : 'no', row.summary]),
  ]);
  terminal.line();
  for (const row of rows)
    if (!row.usable) terminal.line(`${row.kind}: ${[row.why, row.remedy].filter(Boolean).join('; ')}`);
  terminal.line(`auto takes ${auto.kind}: ${auto.reason}`);
  return { engines: rows, auto };
}

async function installing(kind: InstallKind, call: EngineCall, terminal: Terminal): Promise<Result> {
  const plan = await planInstall({ kind });
  const { folder } = plan;
  if (plan.steps.length === 0 && (await installed(folder))) {
    terminal.line(`${kind} is installed already, with TensorFlow ${plan.version}, in ${folder}`);
    return facts(plan, true);
  }
  terminal.line(
    `${kind}: TensorFlow ${plan.version}, ${megabytes(plan.downloadBytes)} to download, ` +
      `${megabytes(plan.diskBytes)} on the disk in the end, in ${folder}`,
  );
  if (call.dryRun) {
    for (const { title, bytes } of plan.steps)
      terminal.line(`would ${title}${bytes > 0 ? ` (${megabytes(bytes)})` : ''}`);
    terminal.line(`needs ${megabytes(plan.neededBytes)} of free space on the way`);
    return facts(plan, false);
  }
  const progress = terminal.progress(`install ${kind}, MB`);
  await install({
    kind,
    signal: call.signal,
    say: (line) => terminal.line(line),
    onBytes: (done, total) => progress.update(Math.round(done / 1e6), Math.ceil(total / 1e6), {}),
  });
  progress.end();
  terminal.line(`${kind} is installed; next: exithead engine check ${kind}`);
  return facts(plan, true);
}

function facts(plan: InstallPlan, isInstalled: boolean): Result {
  const { kind, folder, version, steps, downloadBytes, diskBytes, neededBytes } = plan;
  const titles = steps.map(({ title, bytes }) => ({ title, bytes }));
  return { kind, folder, version, isInstalled, steps: titles, downloadBytes, diskBytes, neededBytes };
}

async function check({ operand, options, signal }: EngineCall, terminal: Terminal): Promise<Result> {
  const asked = engineKinds.find((kind): kind is EngineKind => kind === operand) ?? 'auto';
  const opened = await pickEngine({
    kind: asked,
    threads: threadsOf(options),
    provider: options.provider ?? 'cpu',
  });
  const { kind, reason, device = 'CPU' } = opened;
  terminal.line(engineLine(opened));
  // The reference is not held against itself.
  const against = kind === 'wasm' ? 'onnx' : 'wasm';
  const reference = await pickEngine({ kind: against, threads: 0 });
  const tolerance = toleranceOf(opened);
  const cases = await checkEngine(opened, reference, ({ name, isRight, difference, failure }) =>
    terminal.line(
      `${isRight ? 'right' : 'WRONG'}  ${name}: ${failure ?? `differs from ${against} by ${difference.toExponential(1)}`}`,
    ),
  );
  const speeds = await engineSpeed(opened, {
    signal,
    seconds: 2,
    onResult: ({ name, seconds, gflops }) =>
      terminal.line(`${gflops.toFixed(1)} GFLOPS  ${name}, ${(1000 * seconds).toFixed(1)} ms a call`),
  });
  if (signal.aborted) throw new Interrupted('stopped; nothing had to be saved');
  const wrong = cases.filter(({ isRight }) => !isRight).map(({ name }) => name);
  if (wrong.length > 0)
    throw new UserError(
      `engine ${kind} computes wrongly here (${wrong.join('; ')}). Do not use it; ` +
        'please report the lines above. Engine onnx runs everywhere: --engine onnx.',
    );
  return { kind, device, reason, against, tolerance, cases, speeds };
}

async function remove(kind: InstallKind, { signal }: EngineCall, terminal: Terminal): Promise<Result> {
  const folder = engineFolder(kind);
  const wasThere = await removeEngine(folder, { signal, say: (line) => terminal.line(line) });
  terminal.line(wasThere ? `${kind} is removed: ${folder}` : `${kind} is not installed; nothing to remove`);
  return { kind, folder, wasThere };
}
