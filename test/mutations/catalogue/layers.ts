import type { Mutation } from '../mutation.ts';

const layers = { file: 'eslint.config.js', test: 'unit/layers.test.ts' };

export const layerMutations: readonly Mutation[] = [
  {
    ...layers,
    id: 'folder-of-lib-that-imports-a-later-one',
    replace: 'folders.slice(index + 1)',
    by: 'folders.slice(folders.length - 1)',
    named: 'the lint rule forbids',
  },
  {
    ...layers,
    id: 'nested-file-that-imports-a-later-folder',
    replace: '^(\\\\.\\\\./)+(',
    by: '^\\\\.\\\\./(',
    named: 'the lint rule forbids',
  },
  {
    ...layers,
    id: 'lib-that-imports-infra',
    replace: '/(functions|infra|test)/',
    by: '/(functions|test)/',
    named: 'the lint rule forbids',
  },
];
