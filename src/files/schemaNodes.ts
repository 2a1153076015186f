// What does a schema let stand where?
import { z } from 'zod';
import type { KeyPath } from './places.js';

/** A node of the schema in JSON Schema's words; `expected` and `file` are our own. */
export interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly expected?: string;
  readonly file?: boolean;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
}

/** What a file may say before defaults are filled in. */
export function treeOf(schema: z.ZodType): Node {
  return z.toJSONSchema(schema, { io: 'input' }) as Node;
}

/** Names that a schema lets stand in the map at `path`. */
export function namesOf(schema: z.ZodType, path: KeyPath): string[] {
  return namesIn(treeOf(schema), path);
}

export function namesIn(root: Node, path: KeyPath): string[] {
  return [...new Set(nodesIn(root, path).flatMap((node) => Object.keys(node.properties ?? {})))];
}

export function nodesIn(root: Node, path: KeyPath): readonly Node[] {
  return path.reduce<readonly Node[]>(
    (nodes, segment) =>
      nodes.flatMap((node) => {
        const { properties = {}, items } = node;
        if (typeof segment === 'number') return items ? branches(items) : [];
        const name = String(segment);
        const child = Object.hasOwn(properties, name) ? properties[name] : undefined;
        return child ? branches(child) : [];
      }),
    branches(root),
  );
}

/** The node itself, or what it offers to choose from. The meaning stands on the choice, not on its branches. */
export function branches(node: Node): readonly Node[] {
  const choices = node.anyOf ?? node.oneOf;
  if (!choices) return [node];
  const { description } = node;
  return choices.map((choice) => ({ ...(description !== undefined && { description }), ...choice }));
}
