import type { Mutation } from '../mutation.ts';

const update = { file: 'lib/users/lua/update_user.lua', test: 'integration/user-store.test.ts' };

export const authMutations: readonly Mutation[] = [
  {
    ...update,
    id: 'last-admin-may-go',
    replace: "if not remains then return 'last_admin' end",
    by: '',
    named: 'two deactivate each other',
  },
  {
    ...update,
    id: 'admins-counted-before-the-script-alone',
    replace: "(other[1] == '1' and other[2] == 'admin')",
    by: 'true',
    named: 'two deactivate each other',
  },
  {
    ...update,
    id: 'deactivated-admin-deactivates',
    replace: "if by[1] == '0' then return 'requester_deactivated' end",
    by: '',
    named: 'and an asker whose rights were taken',
  },
  {
    ...update,
    id: 'forgotten-user-is-made-anew',
    replace: "redis.call('EXISTS', users_loaded) == 0",
    by: 'false',
    named: 'updateUser creates no user before all',
  },
  {
    id: 'rotation-makes-another-token-each-time',
    file: 'functions/authenticate/rotate-token.ts',
    replace: "id: derivedUuid('rotation', id)",
    by: "id: derivedUuid('rotation', id, String(Math.random()))",
    test: 'flow/api-tokens.test.ts',
    named: 'leave one token under concurrent',
  },
  {
    id: 'rotation-shown-to-another-credential',
    file: 'functions/authenticate/tokens.ts',
    replace: 'made.asked_with === askedWith && ',
    by: '',
    test: 'flow/api-tokens.test.ts',
    named: 'show the new token again only to the',
  },
  {
    id: 'places-of-tokens-not-counted',
    file: 'lib/tokens/lua/reserve_token.lua',
    replace: 'if a.live + made >= a.most_live',
    by: 'if a.live >= a.most_live',
    test: 'integration/token-limit.test.ts',
    named: 'the last place',
  },
];
