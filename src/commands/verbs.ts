// Which verbs are there? The one table, in the order of the pipeline.
import type { VerbEntry } from './verb.js';

export const verbs: readonly VerbEntry[] = [];
