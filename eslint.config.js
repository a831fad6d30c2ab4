import tseslint from 'typescript-eslint';
import { foldersOfLib } from './eslint.layers.js';

/** Who may import whom: functions → lib; lib → lib, in the order of lib/README.md; infra → lib. */
const forbid = (message, ...groups) => ['error', { patterns: [{ group: groups, message }] }];

const outsideLib = {
  regex: '/(functions|infra|test)/',
  message: 'lib is imported by the others and imports only lib: move what is shared into lib.',
};

/** A folder of lib imports only those that stand before it. */
const layers = foldersOfLib().map((folder, index, folders) => {
  const later = folders.slice(index + 1);
  const message = `\`${folder}\` imports only folders that stand before it in lib/README.md (Layers): pass in what it needs, or move what both need into the earlier one.`;
  return {
    files: [`lib/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            outsideLib,
            ...(later.length > 0 ? [{ regex: `^(\\.\\./)+(${later.join('|')})/`, message }] : []),
          ],
        },
      ],
    },
  };
});

export default tseslint.config(
  { ignores: ['dist/**', 'cdk.out/**', '.local/**', 'node_modules/**', 'test/fixtures/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
    },
  },
  ...layers,
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/config/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only lib/config reads the environment.' },
      ],
    },
  },
  {
    files: ['functions/**/*.ts'],
    rules: {
      'no-restricted-imports': forbid(
        'functions import lib, never infra or test: what both need belongs in lib.',
        '**/infra/**',
        '**/test/**',
      ),
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only lib/config reads the environment.' },
      ],
    },
  },
  {
    files: ['functions/**/*.handler.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "VariableDeclarator[id.name='handler'] > CallExpression.init:not([callee.name=/^(traced|serve)$/])",
          message:
            'Wrap the handler in `traced`, so that each line of its log names the request and the messages.',
        },
      ],
    },
  },
  {
    files: ['lib/**/*.ts', 'functions/**/*.ts'],
    // where an invocation begins, and what runs at a client
    ignores: ['functions/**/*.handler.ts', 'lib/http/middlewares/routing.ts', 'lib/client/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[
          "MemberExpression[object.name='Date'][property.name='now']",
          "NewExpression[callee.name='Date'][arguments.length=0]",
        ].map((selector) => ({
          selector,
          message:
            'Take the time as an argument, epoch ms or `now: () => number`: only a handler reads the clock.',
        })),
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'MemberExpression[property.name=/^(skip|only|todo)$/]',
          message: 'A test that does not run shows nothing: mend it, or delete it.',
        },
      ],
      'no-restricted-imports': forbid(
        'Take fc from test/support/property.ts: the gate runs every property with the same seed.',
        'fast-check',
      ),
    },
  },
  {
    files: ['infra/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '/(functions/(?!.*\\.function\\.ts$)|test/)',
              message:
                'infra imports lib and what describes a function; it never imports handler code or tests.',
            },
          ],
        },
      ],
    },
  },
);
