// Which of a table's errors does a person want to see?
import { unreachable, UserError } from '../errors.js';
import type { ErrorTable, Statistic } from './errorTable.js';

/** Of what: the distance to full depth, or to the truth. */
export const shownErrors = ['excess', 'error'] as const;
/** In which kind of prediction. */
export const shownKinds = ['epsilon', 'x0', 'v'] as const;

export interface Shown {
  readonly errors: (typeof shownErrors)[number];
  readonly kind: (typeof shownKinds)[number];
}

/** What schedules are solved from. */
export const shownFirst: Shown = { errors: 'excess', kind: 'epsilon' };

/** @throws UserError if the table was made before errors in that kind were measured */
export function statisticOf(table: ErrorTable, { errors, kind }: Shown): Statistic {
  const of = kind === 'epsilon' ? table : table[kind];
  if (!of)
    throw new UserError(
      `the error table holds no errors in ${kind}; it is older than these. Run \`exithead profile\` again.`,
    );
  return of[errors];
}

/** 'excess over full depth in x0, after guidance 2' */
export function nameOfShown({ guidance = 1 }: Pick<ErrorTable, 'guidance'>, { errors, kind }: Shown): string {
  const guided = guidance === 1 ? '' : `, after guidance ${guidance}`;
  switch (errors) {
    case 'excess':
      return `excess over full depth in ${kind}${guided}`;
    case 'error':
      return `denoising error in ${kind}${guided}`;
    default:
      return unreachable(errors);
  }
}
