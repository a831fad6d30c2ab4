import type { Mutation } from '../mutation.ts';

const logged = { test: 'unit/log.test.ts' };

export const observabilityMutations: readonly Mutation[] = [
  {
    ...logged,
    file: 'lib/observability/log.ts',
    id: 'line-without-the-ids-of-its-invocation',
    replace: '...currentIds(), ',
    by: '',
    named: 'log adds the ids of its own invocation',
  },
  {
    ...logged,
    file: 'lib/function/traced.ts',
    id: 'line-that-names-another-request-than-the-client-sees',
    replace: 'requestContext?.requestId ?? awsRequestId',
    by: 'awsRequestId',
    named: 'traced sets the ids of the event',
  },
];
