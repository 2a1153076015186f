// Where does the time of a compiled step go? npx tsx scripts/bench/profile.ts [case...] [--threads N] [--rounds N] [--shapes]
// The cases are those of against-torch.ts, without products and sampling. Of every node counts its shortest time, so that
// what else the machine does falls away; with one thread it does so best.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { CompiledStep, Engine } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { casesOf, type Case } from './versus/cases.js';
import { prepare } from './versus/prepare.js';
import { openWork } from './versus/work.js';

const warmUps = 3;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '9' },
    /** Tells apart what an operator is given. */
    shapes: { type: 'boolean', default: false },
  },
});
const [threads, rounds] = [Number(values.threads), Number(values.rounds)];

/** What the runtime writes: one entry per run (`model_run`) and per node and run; times in microseconds. */
const shape = z.record(z.string(), z.array(z.number()));
const events = z.array(
  z.object({
    ...{ name: z.string(), ts: z.number().default(0), dur: z.number().default(0) },
    args: z
      .object({
        op_name: z.string(),
        input_type_shape: z.array(shape),
        output_type_shape: z.array(shape),
      })
      .partial()
      .optional(),
  }),
);
type Event = z.infer<typeof events>[number];

const folder = await mkdtemp(join(tmpdir(), 'exithead-profile-'));
try {
  for (const one of casesOf(positionals))
    if (one.work.kind !== 'gemm' && one.work.kind !== 'sample') await tell(one);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function tell(one: Case): Promise<void> {
  const job = { ...(await prepare(folder, one)), threads };
  const steps: CompiledStep[] = [];
  const inner = onnxEngine({ threads, reason: 'profile', profile: join(folder, `profile-${one.name}`) });
  const engine: Engine = {
    ...inner,
    compile: async (step, options) => {
      const compiled = await inner.compile(step, options);
      steps.push(compiled);
      return compiled;
    },
  };
  const side = { by: 'exithead', engine: 'onnx', dtype: 'fp32', scheduled: false } as const;
  const work = await openWork({ ...job, side }, side, engine);
  for (let i = 0; i < warmUps + rounds; i++) await work.run();
  for (const step of steps) await step.dispose();
  print(one.name, await profileOf(one.name));
}

async function profileOf(name: string): Promise<Event[]> {
  const file = (await readdir(folder)).find((entry) => entry.startsWith(`profile-${name}`));
  if (file === undefined) throw new Error(`the runtime wrote no profile of ${name}`);
  return events.parse(JSON.parse(await readFile(join(folder, file), 'utf8')));
}

function print(name: string, all: readonly Event[]): void {
  const runs = all.filter((event) => event.name === 'model_run').slice(warmUps);
  const start = runs[0]?.ts ?? 0;
  const shortest = new Map<string, Event>();
  for (const event of all) {
    if (event.ts < start || event.args?.op_name === undefined || !event.name.endsWith('_kernel_time'))
      continue;
    const known = shortest.get(event.name);
    if (!known || event.dur < known.dur) shortest.set(event.name, event);
  }
  const rows = new Map<string, { count: number; time: number }>();
  for (const event of shortest.values()) {
    const row = rows.get(labelOf(event)) ?? { count: 0, time: 0 };
    rows.set(labelOf(event), { count: row.count + 1, time: row.time + event.dur });
  }
  const total = [...rows.values()].reduce((sum, { time }) => sum + time, 0);
  const run = Math.min(...runs.map(({ dur }) => dur));
  console.log(
    `\n${name}, ${threads} threads: ${ms(run)} ms a run at best, ${ms(total)} ms in ${shortest.size} nodes`,
  );
  for (const [label, { count, time }] of [...rows].sort(([, a], [, b]) => b.time - a.time).slice(0, 30))
    console.log(
      `${ms(time).padStart(9)} ms ${((100 * time) / total).toFixed(1).padStart(5)} % ${String(count).padStart(5)} x ${label}`,
    );
}

function labelOf({ args }: Event): string {
  const operator = args?.op_name ?? '';
  if (!values.shapes) return operator;
  const text = (shapes: readonly z.infer<typeof shape>[] = []): string =>
    shapes.flatMap((one) => Object.values(one).map((dimensions) => `[${dimensions.join()}]`)).join(' ');
  return `${operator} ${text(args?.input_type_shape)} -> ${text(args?.output_type_shape)}`;
}

function ms(microseconds: number): string {
  return (microseconds / 1000).toFixed(2);
}
