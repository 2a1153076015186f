// Which classes does a backbone know, if not those it came with? New rows for its table of labels.
import { z } from 'zod';
import { UserError } from '../errors.js';
import type { BackboneSpec, LabelledSpec } from './backbone.js';

/**
 * What a class starts as, apart from a row of the old table:
 * - mean: the average of all old classes;
 * - none: no class, the row that guidance leans on;
 * - new: random, as the family's own training starts.
 */
const starts = ['mean', 'none', 'new'] as const;

/** One class of the new table: the number of an old class, or what it starts as. */
export type LabelRow = number | (typeof starts)[number];

const entrySchema = z.union([
  z.int().min(0).max(999_999),
  z
    .string()
    .regex(/^(\d{1,7}(-\d{1,7})?|mean|none|new)$/)
    .meta({ expected: 'several such as 0-9, mean, none or new' }),
]);
type Entry = z.output<typeof entrySchema>;

/**
 * The classes a backbone shall know instead of its own:
 * - a list: class i is what stands at place i; `from-to` stands for several old classes in a row;
 * - a record: all classes stay but those it names;
 * - unconditional: none, whatever is drawn is of no class.
 */
export type Labels = 'unconditional' | readonly Entry[] | Readonly<Record<string, Entry>>;

export const labelsSchema: z.ZodType<Labels> = z
  .union([
    z.literal('unconditional'),
    z
      .array(entrySchema)
      .min(1)
      .max(1_000_000)
      .meta({ expected: 'a list of classes such as [207, 0-9, mean, none, new]' }),
    z
      .record(z.string().regex(/^\d{1,7}$/), entrySchema)
      .meta({ expected: 'some classes by number such as {3: new}' }),
  ])
  .describe(
    'classes the backbone shall know instead of its own: a list of old ones, of mean (their average), none (no class) and new (random); ' +
      'or only those that change; or unconditional',
  );

const range = /^(\d{1,7})-(\d{1,7})$/;
const whole = /^\d{1,7}$/;
const mostClasses = 1_000_000;
/** More than a person reads at once. */
const mostNamed = 20;

/**
 * The rows of the new table, without that of no class, which stays as it is.
 * @param spec of the backbone as it came
 * @throws UserError naming every entry that means nothing to this backbone
 */
export function labelRows(spec: LabelledSpec, labels: Labels): readonly LabelRow[] {
  requireClasses(spec);
  if (labels === 'unconditional') return unconditional(spec);
  const problems: string[] = [];
  const read = (entry: Entry, at: string): readonly LabelRow[] => {
    const rows = rowsOf(entry);
    const beyond = rows.find((row) => typeof row === 'number' && row >= spec.classes);
    if (rows.length === 0)
      problems.push(
        `${at} is ${entry}, expected a class 0 to ${spec.classes - 1}, several such as 0-9, or one of ${starts.join(', ')}`,
      );
    if (beyond !== undefined)
      problems.push(`${at} names class ${beyond}, but classes are 0 to ${spec.classes - 1}`);
    if (rows.includes('none') && !spec.nullClass)
      problems.push(`${at} is none, but this backbone has no row for no class`);
    return rows;
  };
  const rows = isList(labels)
    ? labels.flatMap((entry, i) => read(entry, `entry ${i}`))
    : replaced(spec, labels, read, problems);
  if (rows.length > mostClasses) problems.push(`it names ${rows.length} classes, of at most ${mostClasses}`);
  if (problems.length > 0)
    throw new UserError(
      `backbone: labels do not fit ${spec.size}: ${problems.slice(0, mostNamed).join('; ')}. Mend them.`,
    );
  return rows;
}

/** Whether a class starts random, and so means nothing before a training. */
export function hasNewRows(labels: Labels): boolean {
  return labels !== 'unconditional' && Object.values(labels).includes('new');
}

/** The same backbone with these rows as its classes. */
export function relabelledSpec<Spec extends LabelledSpec>(spec: Spec, rows: readonly LabelRow[]): Spec {
  return { ...spec, classes: rows.length, nullClass: spec.nullClass && rows.length > 0 };
}

/**
 * From a command line: entries with commas between them, or `unconditional`.
 * @throws UserError if an entry is none
 */
export function parseLabels(text: string): Labels {
  const parsed = labelsSchema.safeParse(text === 'unconditional' ? text : text.split(','));
  if (parsed.success) return parsed.data;
  throw new UserError(
    `--labels ${text}: expected classes with commas between them, such as 207,0-9,mean,none,new, or unconditional.`,
  );
}

/** @throws UserError if the backbone is not told classes at all */
export function requireLabelled(spec: BackboneSpec): asserts spec is LabelledSpec {
  if (spec.conditioning !== 'classes')
    throw new UserError(`backbone: labels are for classes, but ${spec.size} takes none. Remove them.`);
}

function requireClasses({ size, classes }: LabelledSpec): void {
  if (classes === 0)
    throw new UserError(
      `backbone: labels are for classes, but ${size} is unconditional already. Remove them.`,
    );
}

function unconditional({ family, size, nullClass }: LabelledSpec): readonly LabelRow[] {
  if (family === 'uvit')
    throw new UserError(
      `backbone: ${size} has a token for its label, so it cannot do without one. Set labels to [none]: one class, which means no class.`,
    );
  if (!nullClass)
    throw new UserError(`backbone: ${size} has no row for no class, so it cannot become unconditional.`);
  return [];
}

/** `Array.isArray` does not know read-only ones. */
function isList(labels: readonly Entry[] | Readonly<Record<string, Entry>>): labels is readonly Entry[] {
  return Array.isArray(labels);
}

function rowsOf(entry: Entry): readonly LabelRow[] {
  if (typeof entry === 'number') return [entry];
  const start = starts.find((name) => name === entry);
  if (start !== undefined) return [start];
  if (whole.test(entry)) return [Number(entry)];
  const [, first = '', final = ''] = range.exec(entry) ?? [];
  const [from, to] = [Number(first), Number(final)];
  if (first === '' || to < from || to - from >= mostClasses) return [];
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function replaced(
  spec: LabelledSpec,
  labels: Readonly<Record<string, Entry>>,
  read: (entry: Entry, at: string) => readonly LabelRow[],
  problems: string[],
): LabelRow[] {
  const rows = Array.from({ length: spec.classes }, (_, i): LabelRow => i);
  for (const [key, entry] of Object.entries(labels)) {
    const [row, ...more] = read(entry, `class ${key}`);
    if (!whole.test(key) || Number(key) >= spec.classes)
      problems.push(`it replaces class ${key}, but classes are 0 to ${spec.classes - 1}`);
    else if (more.length > 0) problems.push(`class ${key} is ${entry}, expected one class`);
    else if (row !== undefined) rows[Number(key)] = row;
  }
  return rows;
}
