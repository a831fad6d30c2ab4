import type { Context } from 'aws-lambda';
import * as z from 'zod/mini';
import { withIds, type InvocationIds } from '../observability/ids.ts';

const shape = z.object({
  requestContext: z.optional(z.object({ requestId: z.string(), connectionId: z.optional(z.string()) })),
  Records: z.optional(z.array(z.object({ messageId: z.string() }))),
});

/** Wraps a handler so that its log lines contain the ids of the request and of its messages or connection. */
export function traced<Event, Answer>(
  handler: (event: Event, context: Context) => Promise<Answer>,
): (event: Event, context: Context) => Promise<Answer> {
  return (event, context) => withIds(idsOf(event, context), () => handler(event, context));
}

function idsOf(event: unknown, { awsRequestId }: Context): InvocationIds {
  const { requestContext, Records } = shape.safeParse(event).data ?? {};
  return {
    request_id: requestContext?.requestId ?? awsRequestId,
    ...(requestContext?.connectionId !== undefined && { connection_id: requestContext.connectionId }),
    ...(Records && { message_ids: Records.map(({ messageId }) => messageId) }),
  };
}
