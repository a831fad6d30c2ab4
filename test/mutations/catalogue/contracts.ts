import type { Mutation } from '../mutation.ts';

const test = 'unit/serve.test.ts';

export const contractMutations: readonly Mutation[] = [
  {
    id: 'body-judged-before-the-credential',
    file: 'lib/api/serve.ts',
    test,
    replace: '.use(routing(contracts, otherwise))',
    by: '.use(routing(contracts, otherwise)).use(parsing())',
    named: 'checks the credential before anything',
  },
  {
    id: 'nobody-asked-who-they-are',
    file: 'lib/http/middlewares/identity.ts',
    test,
    replace: "if (exchange.contract.access === 'public') return;",
    by: 'if (exchange !== undefined) return;',
    named: 'checks the credential before anything',
  },
  {
    id: 'parameters-of-the-path-unparsed',
    file: 'lib/http/middlewares/parsing.ts',
    test,
    replace: 'parse(schemaOf(contract), given.params)',
    by: 'given.params',
    named: 'refuses a path parameter by its name',
  },
  {
    id: 'problem-silent-about-the-write',
    file: 'lib/http/middlewares/problems.ts',
    test,
    replace: 'records && status < 500',
    by: 'records && status < 400',
    named: 'answers an error with a problem that',
  },
  {
    id: 'headers-missing-from-problems',
    file: 'lib/http/middlewares/headers.ts',
    test,
    replace: 'onError: add',
    by: '',
    named: 'answers an error with a problem that',
  },
  {
    id: 'head-unknown',
    file: 'lib/http/middlewares/routing.ts',
    test,
    replace: "routeKey.replace(/^HEAD /, 'GET ')",
    by: 'routeKey',
    named: 'answers HEAD',
  },
  {
    id: 'query-in-the-path-unescaped',
    file: 'lib/client/http-client.ts',
    test: 'unit/http-client.test.ts',
    replace: "encodeURIComponent(params[parameter] ?? '')",
    by: "(params[parameter] ?? '')",
    named: 'fills the path',
  },
];
