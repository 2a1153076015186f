// What does docs/config.md say? Every key of every purpose, from the schema itself.
import { configKeys } from './keys.js';
import { configKinds, type ConfigKind } from './schema.js';

const purposes: Readonly<Record<ConfigKind, string>> = {
  pretrain: '`exithead pretrain`: making a backbone',
  train: '`exithead train`: heads on a backbone, and what follows in the same run',
  sample: '`exithead sample --config`: drawing from a bundle',
  evaluate: '`exithead evaluate --config`: judging what a bundle draws',
};

/** Markdown: a table of keys for every purpose. */
export function configReference(): string {
  const sections = configKinds.map((kind) => `## ${purposes[kind]}\n\n${table(kind)}`);
  return `# Config keys

Written by \`npm run docs\` from the schema in src/config. A config is YAML; \`extends\` names another file whose keys it
takes over, relative to its own folder. Later wins: defaults, \`extends\`, the file, \`--set key=value\`. Paths are relative
to the file that they stand in. Unknown keys are errors. A key without a default has to be given, unless it says otherwise.

${sections.join('\n\n')}
`;
}

function table(kind: ConfigKind): string {
  const rows = configKeys(kind).map((key) => {
    const value = 'default' in key ? code(key.default) : key.required ? 'none' : 'optional';
    return `| \`${key.key}\` | ${cell(key.meaning)} | ${cell(key.expected)} | ${value} |`;
  });
  return ['| key | meaning | values | default |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
