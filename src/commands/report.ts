// exithead report: one HTML page of what a run measured.
import { join } from 'node:path';
import { makeFolder } from '../files/disk.js';
import { writeReport } from '../report/page.js';
import { runReport } from '../report/runReport.js';
import { openTrained } from '../training/openTrained.js';
import { targetOf, verb } from './verb.js';

export default verb({
  examples: [['exithead report runs/001-mnist-heads', 'write report.html into the run']],
  positional: { name: 'run', meaning: 'folder of a finished `exithead train`', required: true },
  common: ['out'],
  options: {},
  async run(call, terminal) {
    const trained = await openTrained(targetOf(call));
    const folder = call.out ?? trained.run.path;
    const report = await runReport(trained);
    await makeFolder(folder);
    const path = await writeReport(join(folder, 'report.html'), report);
    terminal.line(path);
    return { report: path };
  },
});
