/** Health and buffer over HTTP. */
import * as z from 'zod/mini';
import { operation } from '../http/operation.ts';

const count = z.nullable(z.number());
const instant = z.nullable(z.string());

const changeFeed = z.nullable(
  z
    .object({ waiting_since: instant, held_since: instant })
    .check(z.describe('Lag of changes made by plain SQL; `null` if no replica answers.')),
);

export const readHealth = operation({
  method: 'GET',
  path: '/health',
  function: 'health',
  access: 'public',
  summary: 'Whether writes can be accepted',
  answers: {
    200: z.object({
      status: z.enum(['healthy', 'degraded']),
      database: z.enum(['connected', 'unreachable']),
      redis: z.enum(['connected', 'unreachable']),
      main: z.enum(['connected', 'unreachable', 'unknown']),
      transaction_buffer: z.object({ size: count, failed: count, is_stuck: z.nullable(z.boolean()) }),
      change_feed: changeFeed,
    }),
  },
  problems: ['temporarily-unavailable'],
  example: {},
});

export const readBuffer = operation({
  method: 'GET',
  path: '/api/buffer',
  function: 'query',
  access: 'read:observations',
  summary: 'The size of the buffer, how fast it drains, and the state of main and of each replica',
  answers: {
    200: z.object({
      size: z.number(),
      awaiting_replication: z.number(),
      bytes: z.number(),
      oldest_age_seconds: count,
      drained_per_second: z.number(),
      failed: count,
      change_feed: changeFeed,
      main: z.object({ in_reach: z.boolean() }),
      replicas: z.array(
        z.object({
          name: z.string(),
          answers: z.boolean(),
          standby: z.optional(z.boolean()),
          streaming: z.optional(z.boolean()),
          lag_bytes: count,
        }),
      ),
    }),
  },
  example: {},
});
