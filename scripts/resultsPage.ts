// Where in a page do measured results stand? Between two marks, so that a script can renew them and leave the rest.
import { UserError } from '../src/errors.js';

/**
 * The page with these results in place of those it has.
 * @param by the command that writes them, which its first mark names
 * @param results Markdown
 * @throws UserError if the page has no place for them
 */
export function withResults(page: string, by: string, results: string): string {
  const [begin, end] = [`<!-- results: written by ${by} -->`, '<!-- end of results -->'];
  const [before, rest] = page.split(begin);
  const [, after] = rest?.split(end) ?? [];
  if (before === undefined || after === undefined)
    throw new UserError(`the page has no place for results; put these two lines into it:\n${begin}\n${end}`);
  return `${before}${begin}\n\n${results}\n\n${end}${after}`;
}
