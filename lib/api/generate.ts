/** Generates files from the contracts, as text. Pure. A test compares them with the stored files. */
import { listed } from './operations.ts';
import { openApi } from './openapi.ts';

const notice = 'Generated from the contracts (lib/api/operations.ts) by `npm run api`.';

/** Path below lib/api/generated → content before formatting. */
export function generated(version: string): Readonly<Record<string, string>> {
  return {
    'openapi.json': JSON.stringify(openApi(version)),
    'routes.ts': routesModule(),
    'operations.md': table(),
  };
}

function routesModule(): string {
  const lines = listed.map(
    ({ operation, method, path }) => `  ${operation}: { method: '${method}', path: '${path}' },`,
  );
  return `/** ${notice} */\nexport const routes = {\n${lines.join('\n')}\n} as const;\n`;
}

/** Markdown table. */
function table(): string {
  const rows = listed.map(({ method, path, access, function: name, summary, answers }) => [
    `\`${method} ${path}\``,
    access === 'public' ? 'none' : access === 'any' ? 'any authenticated user' : `\`${access}\``,
    Object.keys(answers).join(', '),
    `\`${name}\``,
    summary,
  ]);
  const lines = [
    ['request', 'permission', 'success', 'function', ''],
    ['---', '---', '---', '---', '---'],
    ...rows,
  ];
  return `# Operations\n\n${notice}\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}
