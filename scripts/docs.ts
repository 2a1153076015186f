// Which documents follow from the code? Writes docs/config.md and docs/schemas: npm run docs
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { jsonSchemas } from '../src/bundle/jsonSchemas.js';
import { configReference } from '../src/config/reference.js';
import { writeFileAtomic } from '../src/files/write.js';
import { jsonText } from '../src/files/jsonFile.js';

const root = join(import.meta.dirname, '..');

/** Text by path. */
export async function generatedDocs(): Promise<Readonly<Record<string, string>>> {
  const raw = {
    'docs/config.md': configReference(),
    ...Object.fromEntries(
      Object.entries(jsonSchemas()).map(([name, schema]) => [
        `docs/schemas/${name}.schema.json`,
        jsonText(schema),
      ]),
    ),
  };
  const config = await resolveConfig(join(root, 'package.json'));
  const formatted = Object.entries(raw).map(
    async ([path, text]) => [path, await format(text, { ...config, filepath: path })] as const,
  );
  return Object.fromEntries(await Promise.all(formatted));
}

if (import.meta.filename === process.argv[1])
  for (const [path, text] of Object.entries(await generatedDocs())) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFileAtomic(join(root, path), text);
    console.log(path);
  }
