import { expect, it, vi } from 'vitest';
import { applyTransactions } from '../../lib/postgres/apply.ts';
import type { Pool } from '../../lib/postgres/connect.ts';

interface Answer {
  readonly rows: readonly object[];
}

const applied = { rows: [{ result: '{"rows":[],"failures":[],"succeeded":[],"is_partial":false}' }] };
const nothing = { rows: [] };

/** A connection whose queries the test resolves. */
function fakeMain() {
  const sent: string[] = [];
  const answers: PromiseWithResolvers<Answer>[] = [];
  const release = vi.fn();
  const query = (asked: string | { readonly name: string }) => {
    sent.push(typeof asked === 'string' ? asked : asked.name);
    const answer = Promise.withResolvers<Answer>();
    answers.push(answer);
    return answer.promise;
  };
  const main = { connect: () => Promise.resolve({ query, release }) } as unknown as Pool;
  return { main, sent, answers, release };
}

const threeAtOnce = [
  'set statement_timeout = 5000; set lock_timeout = 3000',
  'apply-transactions',
  'lsn-after-commit',
];

it('applyTransactions sends the timeouts, the batch and the LSN query without waiting for answers', async () => {
  const { main, sent, answers, release } = fakeMain();
  const call = applyTransactions(main, [], 900, { timeoutMilliseconds: 5000 });
  await vi.waitFor(() => expect(sent).toEqual(threeAtOnce));
  for (const [n, answer] of [nothing, applied, { rows: [{ lsn: '0/10' }] }].entries())
    answers[n]?.resolve(answer);
  expect((await call).lsn.value).toBe(16n);
  expect(release).toHaveBeenCalledExactlyOnceWith();
});

it('applyTransactions releases the connection of a failed call only after every query on it has completed', async () => {
  const { main, sent, answers, release } = fakeMain();
  const call = applyTransactions(main, [], 900, { timeoutMilliseconds: 5000 });
  const failed = expect(call).rejects.toThrow('too slow');
  await vi.waitFor(() => expect(sent).toEqual(threeAtOnce));
  answers[1]?.reject(Object.assign(new Error('too slow'), { code: '57014', severity: 'ERROR' }));
  answers[0]?.resolve(nothing);
  await new Promise(setImmediate);
  expect(release).not.toHaveBeenCalled();
  answers[2]?.resolve(nothing);
  await failed;
  expect(release).toHaveBeenCalledExactlyOnceWith(false);
});
