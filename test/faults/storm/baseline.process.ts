/**
 * The processor of a baseline. `list`: RPOP, then execute. `queue`: receive from SQS, execute, delete, without an inbox.
 */
import pg from 'pg';
import { endWithParent } from '../../../infra/local/process.ts';
import { Queue } from '../../../lib/queue/queue.ts';
import { connectRedis } from '../../../lib/redis/client.ts';

endWithParent();
const [kind = '', url = '', token = '', main = '', queueUrl = ''] = process.argv.slice(2);
const redis = connectRedis({ url, token, timeoutMilliseconds: 1000 });
const queue = new Queue({ url: queueUrl });
const pool = new pg.Pool({
  connectionString: main,
  max: 1,
  connectionTimeoutMillis: 2000,
  query_timeout: 3000,
});
pool.on('error', () => undefined);

const execute = (item: string) => {
  const [scan, operation] = item.split(' ');
  return pool.query('insert into baseline_effect (system, scan, operation) values ($1, $2, $3)', [
    kind,
    scan,
    operation,
  ]);
};
const pause = () => new Promise((resume) => setTimeout(resume, 50));

async function listRound(): Promise<boolean> {
  const item = await redis.rpop<string>('baseline:list');
  if (item === null) return false;
  try {
    await execute(item);
  } catch {
    await redis.rpush('baseline:list', item);
  }
  return true;
}

async function queueRound(): Promise<boolean> {
  const messages = await queue.receive();
  for (const { Body, ReceiptHandle } of messages) {
    await execute(Body ?? '');
    await queue.delete(ReceiptHandle ?? '');
    await redis.lrem('baseline:queue', 1, Body ?? '');
  }
  return messages.length > 0;
}

for (;;) {
  const isBusy = await (kind === 'list' ? listRound() : queueRound()).catch(() => false);
  if (!isBusy) await pause();
}
