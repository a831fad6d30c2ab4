import type { Mutation } from '../mutation.ts';

const submit = { file: 'lib/submission/submit.ts', test: 'unit/submission.test.ts' };
const problems = { file: 'lib/submission/problem-of.ts', test: 'unit/submission.test.ts' };

export const submissionMutations: readonly Mutation[] = [
  {
    ...{ file: 'lib/submission/submit.ts', test: 'unit/submission.test.ts', named: 'the id of its request' },
    id: 'submission-forgets-its-request',
    replace: 'requestId === undefined ? transaction',
    by: 'true ? transaction',
  },
  {
    ...{
      file: 'lib/transaction/transaction.ts',
      test: 'integration/drain.test.ts',
      named: 'names the request',
    },
    id: 'processor-does-not-name-the-request',
    replace: 'accepted_in_request: request_id',
    by: 'request_id',
  },
  {
    ...submit,
    id: 'copy-without-the-stamp-of-the-buffer',
    replace: 'const stamped = withStamp(transaction, verdict.stamp);',
    by: 'const stamped = transaction;',
    named: 'submit records a transaction with one',
  },
  {
    ...submit,
    id: 'copy-of-what-was-accepted-before',
    replace: 'if (verdict.stamp === undefined)',
    by: 'if (false as boolean)',
    named: 'submit sends no copy of a repeated',
  },
  {
    ...submit,
    id: 'answer-that-waits-for-sqs-without-end',
    replace: 'answerBy === Infinity ? sent',
    by: 'answerBy > 0 ? sent',
    named: 'submit reports that only Redis has',
  },
  {
    ...submit,
    id: 'queue-alone-against-every-obstacle',
    replace: 'if (!queueAloneIf.includes(obstacle)) {',
    by: 'if (queueAloneIf.length > 9) {',
    named: 'only where that is allowed',
  },
  {
    ...submit,
    id: 'defect-of-the-buffer-taken-for-silence',
    replace: "if (obstacle === 'defect') throw",
    by: "if (obstacle === 'full') throw",
    named: 'submit treats the answer',
  },
  {
    ...submit,
    id: 'defect-of-the-buffer-counted-as-silence',
    replace: "defect: 'BufferDefect'",
    by: "defect: 'RedisUnreachable'",
    named: 'submit treats the answer',
  },
  {
    ...submit,
    id: 'full-buffer-as-a-refusal-of-the-request',
    replace: "return refused === 'full' || refused === 'users_missing'",
    by: "return refused === 'users_missing'",
    named: 'only where that is allowed',
  },
  {
    ...submit,
    id: 'queue-that-fails-taken-for-recorded',
    replace: "  } catch {\n    return { kind: 'refused', code: 'not_acknowledged' };",
    by: '  } catch {\n    //',
    named: 'only where that is allowed',
  },
  {
    ...problems,
    id: 'not-known-shown-as-not-recorded',
    replace: 'recorded: null, ...members',
    by: 'recorded: false, ...members',
    named: 'not_acknowledged',
  },
  {
    ...problems,
    id: 'no-room-shown-as-not-known',
    replace: 'recorded: false,',
    by: 'recorded: null,',
    named: 'no_room',
  },
  {
    ...problems,
    id: 'taken-id-without-its-code',
    replace: "{ code: 'id-taken' }",
    by: '{}',
    named: 'taken',
  },
];
