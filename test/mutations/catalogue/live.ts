import type { Mutation } from '../mutation.ts';

const subscription = { file: 'lib/client/live-subscription.ts', test: 'unit/live-client.test.ts' };
const client = { file: 'lib/client/live-client.ts', test: 'unit/live-client.property.test.ts' };
const relay = { file: 'lib/change-feed/relay.ts', test: 'integration/outbox.test.ts' };
const triggers = {
  file: 'lib/postgres/migrations/0009_leaving_changes.sql',
  test: 'integration/outbox.test.ts',
};
const registry = { file: 'lib/sockets/connections.ts', test: 'integration/broadcaster.test.ts' };
const broadcaster = { file: 'functions/broadcast/broadcaster.ts', test: 'integration/broadcaster.test.ts' };
const unseen = { file: 'functions/broadcast/unseen.ts', test: 'integration/broadcaster.test.ts' };
const texts = { file: 'functions/broadcast/channels/units.ts', test: 'integration/broadcaster.test.ts' };
const units = { file: 'functions/broadcast/channels/read-units.ts', test: 'integration/broadcaster.test.ts' };
const deferred = { file: 'functions/broadcast/deferred.ts', test: 'integration/broadcaster.test.ts' };
const connecting = { file: 'functions/connect/open-connection.ts', test: 'integration/connect.test.ts' };
const watchers = { file: 'functions/broadcast/subscriptions.ts', test: 'unit/subscriptions.test.ts' };
const mailbox = { file: 'functions/broadcast/mailbox.ts', test: 'unit/mailbox.test.ts' };

export const liveMutations: readonly Mutation[] = [
  {
    ...subscription,
    id: 'live-answers-of-another-request-taken',
    replace: 'if (request !== undefined && request !== this.request) return true;',
    by: '',
    named: 'first part',
  },
  {
    ...subscription,
    id: 'live-updates-taken-before-the-first-part',
    replace: 'if (!this.#hasBegun) return true;',
    by: '',
    named: 'first part',
  },
  {
    ...subscription,
    id: 'live-parts-not-counted',
    replace: 'part > this.#assembly.data.length + 1',
    by: 'false',
    named: 'requests a new snapshot when',
  },
  {
    ...client,
    id: 'live-cut-snapshot-not-asked-for-again',
    replace: 'this.#askSoon(subscription, this.#settings.firstPauseMilliseconds);',
    by: '',
    named: 'LiveClient shows the server’s state',
    equivalent:
      'an unanswered request is repeated with the next ping as well; only the wait differs, and no test measures it',
  },
  {
    ...client,
    id: 'live-all-answers-of-a-channel-taken',
    replace: '(request === undefined || subscription.request === request)',
    by: 'true',
    equivalent:
      'the subscription itself accepts only its own answers; here unknown ones are unsubscribed in addition',
  },
  {
    ...client,
    id: 'live-suspended-process-gives-its-connection-up',
    replace: 'if (this.#unanswered >= maxUnansweredPings) return this.#lost(socket);',
    by: 'if (this.#unanswered >= 0) return this.#lost(socket);',
    named: 'suspended',
  },
  {
    ...relay,
    file: 'lib/change-feed/lua/relay_changes.lua',
    id: 'relay-cursor-not-compared',
    replace: "if (redis.call('GET', relay) or '') ~= a.expected then return 0 end",
    by: '',
    named: 'a relay publishes nothing that another',
  },
  {
    ...relay,
    file: 'lib/change-feed/lua/relay_changes.lua',
    id: 'relay-rows-ahead-not-compared',
    replace: "if (redis.call('HGET', ahead, each.xid) or '') ~= each.from then return 0 end",
    by: '',
    named: 'in slices',
  },
  {
    ...relay,
    file: 'lib/change-feed/lua/relay_changes.lua',
    id: 'relay-rows-ahead-not-remembered',
    replace: "redis.call('HSET', ahead, unpack(reached))",
    by: '',
    named: 'open transaction',
  },
  {
    ...relay,
    file: 'lib/change-feed/lua/relay_changes.lua',
    id: 'relay-rows-ahead-not-forgotten',
    replace: "redis.call('HDEL', ahead, unpack(a.passed))",
    by: '',
    named: 'delays no change of other transactions',
  },
  {
    ...relay,
    file: 'lib/change-feed/outbox-slice.ts',
    id: 'relay-holds-rows-behind-an-open-transaction',
    replace: '(a.last is null and $5::boolean or o.id > a.last)',
    by: 'false',
    named: 'open transaction',
  },
  {
    ...relay,
    id: 'relay-misses-pruned-rows-in-silence',
    replace: 'isAfterInOutbox(pruned, state.cursor)',
    by: 'false',
    named: 'kept for a week',
  },
  {
    ...triggers,
    id: 'outbox-of-a-moved-record-without-what-it-left',
    replace: 'nullif(o.obs_unit_id, n.obs_unit_id)',
    by: 'null::integer',
    named: 'moved',
  },
  {
    ...triggers,
    id: 'outbox-of-a-processor-that-moves-a-record',
    replace: 'where not is_processor or o.obs_unit_id <> n.obs_unit_id',
    by: 'where not is_processor',
    named: 'processor',
  },
  {
    ...triggers,
    id: 'outbox-without-truncate',
    replace: `create trigger executed_obs_unit_truncated after truncate on executed_obs_unit
  for each statement execute function note_truncate();`,
    by: '',
    named: 'TRUNCATE resets the feeds of the table',
  },
  {
    file: 'lib/postgres/outbox.ts',
    test: 'integration/outbox.test.ts',
    id: 'outbox-pruned-without-a-trace',
    replace: 'insert into change_outbox_pruned (xid, id) select xid, id from pruned order by',
    by: 'insert into change_outbox_pruned (xid, id) select xid, id from pruned where false order by',
    named: 'kept for a week',
  },
  {
    file: 'lib/channels/read.ts',
    test: 'integration/outbox.test.ts',
    id: 'feed-resumes-from-a-position-that-is-too-old',
    replace: "Number(from.split('-')[0]) < oldestKept(nowMilliseconds)",
    by: 'false',
    named: 'resumed from',
  },
  {
    ...registry,
    file: 'lib/sockets/lua/change_subscription.lua',
    id: 'subscription-taken-back-by-an-older-one',
    replace: 'elseif known and a.request and known > a.request then',
    by: 'elseif false then',
    named: 'carry the id of their request, and',
  },
  {
    ...registry,
    file: 'lib/sockets/lua/change_subscription.lua',
    id: 'subscription-ended-by-an-older-one',
    replace: "if known and a.request and known ~= a.request then return 'done' end",
    by: '',
    named: 'carry the id of their request, and',
  },
  {
    ...broadcaster,
    id: 'broadcaster-relays-before-its-own-entries',
    replace: '!this.#isTruncated && (await this.#relaying.step',
    by: '(await this.#relaying.step',
    named: 'on a bulk change by others delays',
    equivalent:
      'a slice is smaller than a page of the feed, so that a test would also need a backlog of the site’s own entries',
  },
  {
    ...unseen,
    id: 'broadcaster-forgets-deferred-changes',
    replace: 'await deferChanges(this.#parts, deferred);',
    by: '',
    named: 'absent',
  },
  {
    ...unseen,
    id: 'broadcaster-leaves-unseen-snapshots',
    replace: 'this.#subscriptions.restartUnseen()',
    by: '[]',
    named: 'a snapshot names what it could not',
  },
  {
    ...broadcaster,
    id: 'broadcaster-never-asks-for-the-silent',
    replace: 'this.#roster.checkSilent(nowMilliseconds);',
    by: '',
    named: 'not reported',
  },
  {
    ...texts,
    id: 'live-record-that-left-not-reported',
    replace: 'return hasLeft ?',
    by: 'return !hasLeft ?',
    named: 'leaves',
  },
  {
    ...units,
    id: 'live-unseen-shown-as-absent',
    replace: 'if (unseen.length === 0) return',
    by: 'return',
    named: 'absent',
  },
  {
    ...units,
    id: 'live-remembered-start-shown-as-running',
    replace: '([id]) => whole.has(id)',
    by: '() => true',
    named: 'absent',
  },
  {
    ...watchers,
    id: 'watcher-taken-over-without-its-position',
    replace: 'since: continuation.from(channel), ',
    by: '',
    named: 'Subscriptions notes the position of a',
  },
  {
    ...watchers,
    id: 'watcher-begins-though-it-has-left',
    replace: 'wanted.get(each.channel.name) !== each.asked) this.#starting.delete(key);',
    by: 'false) this.#starting.delete(key);',
    named: 'left meanwhile',
  },
  {
    ...mailbox,
    id: 'mailbox-remembers-what-another-request-got',
    replace: 'box.delivered.delete(channel);',
    by: '',
    named: 'ignores deliveries from before the',
  },
  {
    ...deferred,
    file: 'lib/change-feed/lua/republish_deferred.lua',
    id: 'deferred-change-not-published-again',
    replace: "feed_append(observations, wakes, 'change', 'changed', field, id)",
    by: '',
    named: 'absent',
  },
  {
    ...registry,
    test: 'integration/connect.test.ts',
    file: 'lib/sockets/lua/register_connection.lua',
    id: 'ticket-spent-twice',
    replace: "if ticket and redis.call('EXISTS', ticket) == 0 then return 'spent' end",
    by: '',
    named: 'once',
  },
  {
    ...registry,
    test: 'integration/connect.test.ts',
    file: 'lib/sockets/lua/register_connection.lua',
    id: 'ticket-not-spent',
    replace: "if ticket then redis.call('DEL', ticket) end",
    by: '',
    named: 'once',
  },
  {
    ...connecting,
    id: 'handshake-that-fails-keeps-its-place',
    replace: "await undo(parts, id, ticket, principal, outcome === 'done');",
    by: '',
    named: 'that fails after registration returns',
  },
  {
    ...connecting,
    id: 'handshake-finds-no-room-among-lost-connections',
    replace: 'for (const id of lost.flat()) await unregister(parts, id);',
    by: '',
    named: 'of a user at the socket limit spends',
  },
  {
    file: 'lib/sockets/turn.ts',
    test: 'integration/connect.test.ts',
    id: 'messages-of-a-socket-answered-side-by-side',
    replace: 'while (!(await isFirst()) && now() - begun < waitMilliseconds) await delay(pauseMilliseconds);',
    by: '',
    named: 'are answered in the order in which',
  },
  {
    file: 'infra/local/gateway/web-socket-api.ts',
    test: 'integration/web-socket-api.test.ts',
    id: 'gateway-ends-a-socket-that-pings-in-a-burst',
    replace: 'autoPong: false',
    by: 'autoPong: true',
    named: 'burst',
  },
  {
    file: 'lib/channels/channels.ts',
    test: 'unit/feed.test.ts',
    id: 'channel-of-a-planned-unit-beyond-integer',
    replace: 'value > maxInteger)',
    by: 'value > Infinity)',
  },
];
