import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { asyncApi } from '../../lib/channels/asyncapi.ts';
import { channelKinds, channels } from '../../lib/channels/channels.ts';
import {
  addressed,
  clientMessage,
  errorMessage,
  resumedMessage,
  stateMessage,
  unsubscribedMessage,
} from '../../lib/channels/protocol.ts';

it('asyncapi.json is up to date with the channels and the protocol (update with npm run asyncapi)', async () => {
  const text = await readFile(new URL('../../lib/channels/asyncapi.json', import.meta.url), 'utf8');
  expect(JSON.parse(text)).toEqual(asyncApi);
});

it.each(channelKinds)('asyncapi.json names every pattern of channel %s', (kind) => {
  const { channel } = asyncApi.components.messages.subscribe.payload.properties as unknown as {
    readonly channel: { readonly description: string };
  };
  for (const pattern of channels[kind].patterns) {
    expect(channel.description.split(' | ')).toContain(pattern);
  }
});

interface Message {
  readonly payload: {
    readonly properties: Readonly<Record<string, unknown>>;
    readonly required: readonly string[];
  };
}

it('asyncapi.json and the protocol declare the same messages and fields', async () => {
  const text = await readFile(new URL('../../lib/channels/asyncapi.json', import.meta.url), 'utf8');
  const { asyncapi, components } = JSON.parse(text) as {
    asyncapi: string;
    components: { messages: Record<string, Message> };
  };
  expect(asyncapi).toBe('3.0.0');
  const heading = { channel: 'buffer', epoch: 'e', position: '1-0', fence: 1 };
  const sent = [
    addressed(
      stateMessage('snapshot', heading, '{}', { part: 1, parts: 1, gap: true, unseen: 'replica' }),
      1,
    ),
    addressed(
      stateMessage('update', heading, '{}', { change: 'changed', record: 'r', transaction_id: 't' }),
      1,
    ),
    addressed(resumedMessage(heading), 1),
    errorMessage('unavailable', 'later', { channel: 'buffer', request: 1 }),
    unsubscribedMessage({ channel: 'buffer', request: 1 }),
  ];
  for (const each of sent) {
    const message = JSON.parse(each) as { type: string };
    const { properties, required } = components.messages[message.type]?.payload ?? {
      properties: {},
      required: [],
    };
    expect(Object.keys(message).sort()).toEqual(Object.keys(properties).sort());
    for (const name of required) expect(message).toHaveProperty(name);
  }
  for (const message of [
    { type: 'subscribe', channel: 'buffer', since: { epoch: 'e', position: '1-0' }, request: 1 },
    { type: 'unsubscribe', channel: 'buffer', request: 1 },
    { type: 'ping', id: 1 },
  ]) {
    expect(clientMessage.safeParse(message).success).toBe(true);
    const documented = components.messages[message.type]?.payload.properties ?? {};
    expect(Object.keys(message).sort()).toEqual(Object.keys(documented).sort());
  }
});
