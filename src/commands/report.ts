// exithead report: one HTML page of what a run measured.
import { join } from 'node:path';
import { makeFolder } from '../files/disk.js';
import { writeReport } from '../report/page.js';
import { runReport } from '../report/runReport.js';
import { openTrained } from '../training/openTrained.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type Result } from './verb.js';

export default async function run(call: Call, terminal: Terminal): Promise<Result> {
  const trained = await openTrained(targetOf(call));
  const folder = call.out ?? trained.run.path;
  const report = await runReport(trained);
  await makeFolder(folder);
  const path = await writeReport(join(folder, 'report.html'), report);
  terminal.line(path);
  return { report: path };
}
