// exithead inspect: says what anything of the project is, why, and what is wrong with it.
import { UserError } from '../errors.js';
import { inspect as inspected, problemsOf } from '../inspect/inspect.js';
import type { inspect } from './declarations.js';
import { show } from './inspected/show.js';
import type { Terminal } from './terminal.js';
import { targetOf, type Call, type OptionsOf, type Result } from './verb.js';

export default async function run(
  call: Call<OptionsOf<typeof inspect>>,
  terminal: Terminal,
): Promise<Result> {
  const { size, config, weights, backbone } = call.options;
  const [imageSize, exitRule] = [call.options['image-size'], call.options['exit-rule']];
  const facts = await inspected(targetOf(call), { size, config, weights, backbone, imageSize, exitRule });
  show(facts, terminal);
  const problems = problemsOf(facts);
  if (problems.length === 0) return { ...facts };
  // What is wrong ends the command, and what is known is told all the same.
  terminal.json(facts);
  throw new UserError(problems.join('\n'));
}
