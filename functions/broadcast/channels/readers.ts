import type { StateKind } from '../../../lib/channels/channels.ts';
import { buffer } from './buffer.ts';
import type { EventReaders, StateReader } from './reader.ts';
import { transaction } from './transaction.ts';
import { transfer } from './transfer.ts';
import { units } from './units.ts';

export const stateReaders: Readonly<Record<StateKind, StateReader>> = { transfer, buffer };

export const eventReaders: EventReaders = { units, transaction };
