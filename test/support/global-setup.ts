import { redisEngine } from '../../infra/local/redis.ts';

/** Prints which Redis the tests ran on; CI requires a real one. */
export default function setup(): () => void {
  const engine = redisEngine();
  if (process.env.CI && !engine.isReal) {
    throw new Error('redis-server is missing: CI must run the tests on a real Redis');
  }
  return () => console.log(`\nRedis engine: ${engine.name}`);
}
