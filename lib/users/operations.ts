/** Users over HTTP, for admins. */
import * as z from 'zod/mini';
import { operation } from '../http/operation.ts';
import { wholeNumberText } from '../values/integer.ts';
import { roles } from '../people/permissions.ts';
import { submissionProblems } from '../submission/problem-codes.ts';

export const userId = z.string().check(z.regex(/^\d{1,15}$/, 'must be a user id: a whole number'));

const user = z
  .object({
    id: z.string(),
    login: z.string(),
    name: z.string(),
    role: z.enum(roles),
    role_from: z
      .enum(['github', 'admin'])
      .check(z.describe('`admin`: set by an admin, and not changed by a login.')),
    active: z.boolean().check(z.describe('`false`: deactivated.')),
    last_login_at: z.nullable(z.string()),
    created_at: z.string(),
  })
  .check(z.meta({ id: 'User' }));

export const userChange = z
  .strictObject({
    role: z.optional(
      z
        .nullable(z.enum(roles))
        .check(z.describe('`null`: derived from their GitHub teams at the next login.')),
    ),
    active: z.optional(
      z.boolean().check(z.describe('`false`: deactivates the user with all sessions and tokens.')),
    ),
    reason: z.optional(z.string().check(z.minLength(1), z.maxLength(1000))),
  })
  .check(
    z.refine(({ role, active }) => role !== undefined || active !== undefined, 'must contain role or active'),
  );

export type UserChange = z.infer<typeof userChange>;

export const listUsers = operation({
  method: 'GET',
  path: '/api/users',
  function: 'authenticate',
  access: 'manage:users',
  pages: true,
  summary: 'All users who have logged in, with their roles',
  query: z.strictObject({
    limit: z._default(wholeNumberText(1, 1000), 100),
    cursor: z.optional(z.string()),
  }),
  answers: { 200: z.array(user) },
  problems: ['invalid-cursor'],
  belongsTo: { object: 'user', ofOthers: 403 },
  example: {},
});

export const changeUser = operation({
  method: 'PUT',
  path: '/api/users/{id}',
  function: 'authenticate',
  access: 'manage:users',
  summary: 'Changes the role of a user, or deactivates the user; takes effect immediately',
  params: { id: userId },
  body: userChange,
  answers: { 200: user },
  problems: [...submissionProblems, 'not-found', 'conflict', 'last-admin'],
  belongsTo: { object: 'user', ofOthers: 403 },
  example: { params: { id: '999' }, body: { active: true }, gets: 404 },
});
