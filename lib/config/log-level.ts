import * as z from 'zod/mini';
import { readEnvironment } from './environment.ts';
import { common } from './variables.ts';

/** What is logged, from this level on. */
export const logLevel = readEnvironment({ LOG_LEVEL: z._default(common.LOG_LEVEL.schema, 'info') }).LOG_LEVEL;
