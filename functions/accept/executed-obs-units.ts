import { randomBytes } from 'node:crypto';
import { answer } from '../../lib/http/operation.ts';
import type { Request } from '../../lib/http/request.ts';
import {
  finishExecutedObsUnit as finishContract,
  startExecutedObsUnit as startContract,
} from '../../lib/observation/operations.ts';
import { draftFinish, draftStart } from '../../lib/observation/record-executed-obs-unit.ts';
import { identifyWrite, type Identity } from './identify.ts';
import { record, type RecordParts } from './record.ts';

export const startExecutedObsUnit = answer(startContract, async (request, parts: RecordParts) => {
  const { claimant, body } = request;
  const identity = identifyWrite(request, claimant.principalId, body.id, randomBytes(20));
  const id = body.id ?? identity.newRecordId;
  const head = heading(request, claimant.principalId, identity);
  const recorded = await record(parts, request, claimant, identity, (now) => draftStart(body, id, head, now));
  return { ...recorded, status: 201 };
});

export const finishExecutedObsUnit = answer(finishContract, async (request, parts: RecordParts) => {
  const { claimant, params, body } = request;
  const identity = identifyWrite(request, claimant.principalId, undefined, randomBytes(20));
  const head = heading(request, claimant.principalId, identity);
  const recorded = await record(parts, request, claimant, identity, (now) =>
    draftFinish(body, params.id, head, now),
  );
  return { ...recorded, status: recorded.status === 202 ? 202 : 200 };
});

function heading(request: Request, principal: string, { id, alias }: Identity) {
  return {
    id,
    ...(alias !== undefined && { alias }),
    stamp: request.receivedAt * 1000,
    principal,
    operation: request.route.operation,
  };
}
