import { redisEngine } from '../../infra/local/redis.ts';

/** Says on which Redis the tests ran; on CI it must be the real one. */
export default function setup(): () => void {
  const engine = redisEngine();
  if (process.env.CI && !engine.isReal) {
    throw new Error('redis-server is missing: on CI the tests run on the real one');
  }
  return () => console.log(`\nRedis engine: ${engine.name}`);
}
