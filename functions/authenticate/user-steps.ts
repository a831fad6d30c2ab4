import * as z from 'zod/mini';
import { inTime } from '../../lib/audit/record-change.ts';
import { requireUsersLoaded } from '../../lib/credentials/check-credential.ts';
import { answer } from '../../lib/http/operation.ts';
import { nextLink, readCursor, writeCursor } from '../../lib/http/page.ts';
import {
  changeUser as changeContract,
  listUsers as listContract,
  userId,
} from '../../lib/users/operations.ts';
import { listUsers as list } from '../../lib/users/user-store.ts';
import { changeUser as change, publicUser, type UserParts } from './users.ts';

const usersCursor = z.tuple([userId]);

export const listUsers = answer(listContract, async (request, parts: UserParts) => {
  const { limit, cursor } = request.query;
  const [after] = cursor === undefined ? [] : readCursor(usersCursor, cursor);
  // if Redis has lost users, the list would be incomplete
  await requireUsersLoaded(parts);
  const { users, next } = await inTime(list(parts, limit, after));
  const headers = next === undefined ? {} : nextLink(request, writeCursor(next));
  return { status: 200, body: users.map(publicUser), headers };
});

export const changeUser = answer(changeContract, async (request, parts: UserParts) => {
  const { params, body, principal } = request;
  return { status: 200, body: publicUser(await change(parts, request, principal, params.id, body)) };
});
