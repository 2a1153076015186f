// What does each result of a step cost beyond what came before it? One trace tells it of all.
import type { Step } from '../engine/engine.js';
import type { Node, Value } from './graph.js';
import { graphName, trace, type TraceOptions } from './trace.js';

/** Results that are wanted at the same time: those whose names begin with `<group>/`. */
export interface Turn {
  readonly group: string;
  /** Whether what they took is there for the turns after this one. */
  readonly isKept: boolean;
}

/** Multiply-adds of one sample that every turn takes beyond what the turns before it kept. */
export function macsInTurn(step: Step, options: TraceOptions, turns: readonly Turn[]): number[] {
  const { graph } = trace(step, options);
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map(({ id }) => [id, node] as const)));
  const kept = new Set<Node>();
  return turns.map(({ group, isKept }) => {
    const start = `${graphName.out(group)}/`;
    const wanted: Value[] = graph.outputs.filter(({ name }) => name.startsWith(start));
    if (wanted.length === 0) throw new Error(`the step has no results ${group}`);
    const taken = new Set<Node>();
    for (let value = wanted.pop(); value; value = wanted.pop()) {
      const node = makers.get(value.id);
      if (!node || kept.has(node) || taken.has(node)) continue;
      taken.add(node);
      wanted.push(...node.inputs);
    }
    if (isKept) taken.forEach((node) => kept.add(node));
    return [...taken].reduce((sum, node) => sum + graph.macsOf(node), 0);
  });
}
