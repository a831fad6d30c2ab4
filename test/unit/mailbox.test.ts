import { describe, expect, it } from 'vitest';
import { Mailbox, mailboxSettings, type Message } from '../../functions/broadcast/mailbox.ts';
import { eventually } from '../support/eventually.ts';

const message = (text: string, folds = false, channel = 'c'): Message => ({
  text,
  channel,
  folds,
  since: { epoch: 'e', position: `${text}-0` },
});

/** A gateway whose answers the test controls. */
function gateway(answer: (id: string, text: string) => Promise<'sent' | 'gone'> | 'sent' | 'gone') {
  const sent: string[] = [];
  const gone: string[] = [];
  const overflowed: string[] = [];
  let inFlight = 0;
  let most = 0;
  const make = (settings = {}) =>
    new Mailbox(
      async (id, text) => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        try {
          const outcome = await answer(id, text);
          if (outcome === 'sent') sent.push(`${id}:${text}`);
          return outcome;
        } finally {
          inFlight -= 1;
        }
      },
      { gone: (id) => gone.push(id), overflowed: (id, channel) => overflowed.push(`${id}:${channel}`) },
      Date.now,
      { ...mailboxSettings, ...settings },
    );
  return { make, sent, gone, overflowed, most: () => most };
}
const never = new Promise<'sent'>(() => undefined);

describe('the mailbox', () => {
  it('keeps the order of each connection and its limit of concurrent posts', async () => {
    const { make, sent, most } = gateway(() => 'sent');
    const mailbox = make({ postsAtOnce: 4 });
    const ids = Array.from({ length: 20 }, (_, n) => `c${n}`);
    for (const id of ids) mailbox.open(id, 0);
    for (const n of [1, 2, 3]) for (const id of ids) mailbox.put(id, message(String(n)));
    await mailbox.settled(5000);
    for (const id of ids) {
      expect(sent.filter((each) => each.startsWith(`${id}:`))).toEqual([1, 2, 3].map((n) => `${id}:${n}`));
    }
    expect(most()).toBeLessThanOrEqual(4);
  });

  it('delivers to others while a connection stalls, and reports what the stalled one lacks', async () => {
    const { make, sent } = gateway((id) => (id.startsWith('slow') ? never : 'sent'));
    const mailbox = make({ postsAtOnce: 2, slowMilliseconds: 10 });
    for (const id of ['slow1', 'slow2', 'slow3', 'a', 'b']) mailbox.open(id, 0);
    for (const id of ['slow1', 'slow2', 'slow3', 'a', 'b']) mailbox.put(id, message('1'));
    await mailbox.settled(5000);
    expect(sent).toEqual(['a:1', 'b:1']);
    expect([...mailbox.lagging().keys()]).toEqual(['slow1', 'slow2', 'slow3']);
    mailbox.put('a', message('2'));
    await mailbox.settled(5000);
    expect(sent.at(-1)).toBe('a:2');
  });

  it('folds waiting states but never a message in flight', async () => {
    let release: (() => void) | undefined;
    const first = new Promise<'sent'>((resolve) => (release = () => resolve('sent')));
    const { make, sent } = gateway((_id, text) => (text === '1' ? first : 'sent'));
    const mailbox = make();
    mailbox.open('a', 0);
    for (const text of ['1', '2', '3']) mailbox.put('a', message(text, true));
    mailbox.put('a', message('other', true, 'd'));
    release?.();
    await eventually(() => expect(sent).toEqual(['a:1', 'a:3', 'a:other']));
  });

  it('treats 410 as the end of a connection unless the connection may still be opening', async () => {
    let isOpen = false;
    const { make, sent, gone } = gateway((id) => (id === 'old' || !isOpen ? 'gone' : 'sent'));
    const mailbox = make();
    mailbox.open('old', Date.now() - 60_000);
    mailbox.open('young', Date.now());
    for (const id of ['old', 'young']) mailbox.put(id, message('1'));
    await eventually(() => expect(gone).toEqual(['old']));
    isOpen = true;
    await eventually(() => expect(sent).toEqual(['young:1']));
    expect(gone).toEqual(['old']);
  });

  it('retries throttled messages in order', async () => {
    let tries = 0;
    const { make, sent } = gateway(() => {
      tries += 1;
      return tries < 3 ? Promise.reject(new Error('429')) : 'sent';
    });
    const mailbox = make();
    mailbox.open('a', 0);
    for (const text of ['1', '2']) mailbox.put('a', message(text));
    await eventually(() => expect(sent).toEqual(['a:1', 'a:2']));
  });

  it('ignores deliveries from before the latest subscription to a channel', async () => {
    let release: (() => void) | undefined;
    const inFlight = new Promise<'sent'>((resolve) => (release = () => resolve('sent')));
    const { make, sent } = gateway((_id, text) => (text === '2' ? inFlight : text === '3' ? never : 'sent'));
    const mailbox = make();
    mailbox.open('a', 0);
    mailbox.put('a', message('1'));
    await mailbox.settled(5000);
    mailbox.put('a', message('2'));
    mailbox.forget('a', 'c');
    mailbox.put('a', message('3'));
    release?.();
    await eventually(() => expect(sent).toEqual(['a:1', 'a:2']));
    expect(mailbox.lagging().get('a')).toEqual(new Map([['c', undefined]]));
  });

  it('counts a snapshot as delivered only with its last part', async () => {
    const { make, sent } = gateway((_id, text) => (text === '2' ? never : 'sent'));
    const mailbox = make();
    mailbox.open('a', 0);
    const { since: _since, ...part } = message('1');
    mailbox.put('a', part);
    mailbox.put('a', message('2'));
    await eventually(() => expect(sent).toEqual(['a:1']));
    expect(mailbox.lagging().get('a')).toEqual(new Map([['c', undefined]]));
  });

  it('sends each message with the request that it answers', async () => {
    const { make, sent } = gateway(() => 'sent');
    const mailbox = make();
    mailbox.open('a', 0);
    mailbox.put('a', { ...message('{"type":"update","data":1}'), request: 7 });
    await mailbox.settled(5000);
    expect(sent).toEqual(['a:{"type":"update","request":7,"data":1}']);
  });

  it('reports an overflow when too many messages wait', () => {
    const { make, overflowed } = gateway(() => never);
    const mailbox = make({ maxWaiting: 5 });
    mailbox.open('a', 0);
    for (let n = 0; n < 7; n += 1) mailbox.put('a', message(String(n)));
    expect(overflowed).toEqual(['a:c']);
  });
});
