import { readBufferReport } from '../../../lib/smart-query/buffer-report.ts';
import type { StateReader } from './reader.ts';

export const buffer: StateReader = {
  concerns: (tails) => tails.observations.entries.length > 0,
  read: readBufferReport,
  maxAgeMilliseconds: 1000,
};
