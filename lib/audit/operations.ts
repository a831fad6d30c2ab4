/** The audit over HTTP. */
import * as z from 'zod/mini';
import { operation } from '../http/operation.ts';
import { wholeNumberText } from '../values/integer.ts';
import { auditActions, auditEvent } from './audit-event.ts';

export const readAudit = operation({
  method: 'GET',
  path: '/api/audit',
  function: 'query',
  access: 'manage:users',
  pages: true,
  summary: 'Audit events about sessions, tokens, roles and transactions, newest first',
  query: z.strictObject({
    principal: z.optional(z.string()),
    action: z.optional(z.enum(auditActions)),
    subject: z.optional(z.string()),
    limit: z._default(wholeNumberText(1, 1000), 100),
    cursor: z.optional(z.string()),
  }),
  answers: { 200: z.array(z.extend(auditEvent, { detail: z.record(z.string(), z.unknown()) })) },
  problems: ['invalid-cursor'],
  belongsTo: { object: 'user', ofOthers: 403 },
  example: {},
});
