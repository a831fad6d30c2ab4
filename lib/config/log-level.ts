import * as z from 'zod/mini';
import { readEnvironment } from './environment.ts';

const levels = z.enum(['debug', 'info', 'warn', 'error']);

/** What is logged, from this level on. */
export const logLevel = readEnvironment({ LOG_LEVEL: z._default(levels, 'info') }).LOG_LEVEL;
