import { answer } from '../../lib/http/operation.ts';
import { readHealth as contract } from '../../lib/status/operations.ts';
import { health, type HealthParts } from './health.ts';

export const readHealth = answer(contract, ({ receivedAt }, parts: HealthParts) => health(parts, receivedAt));
