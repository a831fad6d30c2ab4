import * as z from 'zod/mini';
import { readEnvironment } from './environment.ts';
import { common } from './variables.ts';

/** Minimum level of logged lines. */
export const logLevel = readEnvironment({ LOG_LEVEL: z._default(common.LOG_LEVEL.schema, 'info') }).LOG_LEVEL;
