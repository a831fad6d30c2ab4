import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { apiDocuments } from '../../infra/local/api-documents.ts';

it('the generated API documents are up to date (update with npm run api)', async () => {
  for (const [path, content] of await apiDocuments()) {
    const stored = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
    expect(stored, path).toBe(content);
  }
});
