/** What AWS's SQS does and fauxqs does not: its character set, delays, messages in flight, and the header of a chain. */
import type { buildApp } from 'fauxqs';
import * as z from 'zod/mini';
import { hasForbiddenCharacter, pollOf, refusalOfDelay, type SqsRefusal } from './limits/messages.ts';

type App = ReturnType<typeof buildApp>;

const attribute = z.object({ StringValue: z.string() });

interface Sent {
  readonly DelaySeconds?: number;
  MessageAttributes?: Record<string, unknown>;
}

const poll = z.looseObject({ QueueUrl: z.string(), WaitTimeSeconds: z.optional(z.number()) });
const queues = z.array(z.object({ url: z.string(), approximateInflightCount: z.number() }));
const received = z.looseObject({
  Messages: z.optional(
    z.array(
      z.looseObject({
        Attributes: z.optional(z.record(z.string(), z.string())),
        MessageAttributes: z.optional(z.record(z.string(), z.unknown())),
      }),
    ),
  ),
});

/** fauxqs knows no system attributes: it keeps the header as one of the sender's. */
const traceName = 'AWSTraceHeader';

/** @param inFlightMessages another limit than that of AWS; for tests */
export async function addSqsRules(
  app: App,
  { inFlightMessages }: { readonly inFlightMessages: number | undefined },
): Promise<void> {
  await acceptEveryCharacter();
  app.addHook('preHandler', async (request, reply) => {
    const refuse = ({ code, message }: SqsRefusal) =>
      reply
        .status(400)
        .header('content-type', 'application/x-amz-json-1.0')
        .header('x-amzn-query-error', `${code};Sender`)
        .send({ __type: `com.amazonaws.sqs#${code}`, message });
    const entries = entriesOf(request.headers['x-amz-target'], request.body);
    for (const entry of entries) {
      const refusal = refusalOfDelay(entry.DelaySeconds);
      if (refusal) return refuse(refusal);
      const [trace] = [request.headers['x-amzn-trace-id']].flat();
      if (trace !== undefined) {
        const header = { DataType: 'String', StringValue: trace };
        entry.MessageAttributes = { ...entry.MessageAttributes, [traceName]: header };
      }
    }
    if (request.headers['x-amz-target'] === 'AmazonSQS.ReceiveMessage') {
      const { QueueUrl, WaitTimeSeconds = 0 } = poll.parse(request.body);
      const found = queues.parse((await app.inject('/_fauxqs/queues')).json());
      const inFlight =
        found.find(({ url }) => nameOf(url) === nameOf(QueueUrl))?.approximateInflightCount ?? 0;
      const outcome = pollOf(inFlight, WaitTimeSeconds, inFlightMessages);
      if (typeof outcome === 'object') return refuse(outcome);
      if (outcome === 'nothing') {
        await new Promise((resume) => setTimeout(resume, WaitTimeSeconds * 1000).unref());
        return reply.header('content-type', 'application/x-amz-json-1.0').send({});
      }
    }
    return undefined;
  });
  app.addHook('preSerialization', async (request, _reply, payload) => {
    if (request.headers['x-amz-target'] !== 'AmazonSQS.ReceiveMessage') return payload;
    const answer = received.parse(payload);
    return { ...answer, Messages: answer.Messages?.map(withHeader) };
  });
}

type Received = NonNullable<z.infer<typeof received>['Messages']>[number];

function withHeader({ MessageAttributes = {}, ...message }: Received): Received {
  const { [traceName]: header, ...rest } = MessageAttributes;
  const own = Object.keys(rest).length > 0 ? { MessageAttributes: rest } : {};
  if (header === undefined || !message.Attributes) return { ...message, ...own };
  const { StringValue } = attribute.parse(header);
  return { ...message, ...own, Attributes: { ...message.Attributes, [traceName]: StringValue } };
}

function entriesOf(target: unknown, body: unknown): Sent[] {
  if (target === 'AmazonSQS.SendMessage') return [body as Sent];
  if (target === 'AmazonSQS.SendMessageBatch') return (body as { readonly Entries: Sent[] }).Entries;
  return [];
}

const nameOf = (url: string) => url.split('/').at(-1);

/** fauxqs refuses characters beyond the basic plane, which SQS takes. */
async function acceptEveryCharacter(): Promise<void> {
  const module = new URL('sqs/sqsTypes.js', import.meta.resolve('fauxqs'));
  const { INVALID_MESSAGE_BODY_CHAR } = (await import(module.href)) as {
    readonly INVALID_MESSAGE_BODY_CHAR: RegExp;
  };
  INVALID_MESSAGE_BODY_CHAR.test = hasForbiddenCharacter;
}
