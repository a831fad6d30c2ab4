import { rmSync } from 'node:fs';
import { redisEngine } from '../../infra/local/redis.ts';
import { openTestRun } from './test-bundles.ts';

/** Prints which Redis the tests ran on; CI requires a real one. Vitest calls it once for each project. */
export default function setup(): () => void {
  const engine = redisEngine();
  if (process.env.CI && !engine.isReal) {
    throw new Error('redis-server is missing: CI must run the tests on a real Redis');
  }
  const directory = openTestRun();
  return () => {
    if (directory === undefined) return;
    rmSync(directory, { recursive: true, force: true });
    console.log(`\nRedis engine: ${engine.name}`);
  };
}
