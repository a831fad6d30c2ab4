/** What SQS refuses. The rest, such as sizes and dead letters, the local SQS does by itself. */
import { limits } from '../../limits.ts';

export interface SqsRefusal {
  readonly code: string;
  readonly message: string;
}

/** Characters of XML 1.0, those beyond the basic plane included; half a surrogate pair is none. */
const notAllowed = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;

export function hasForbiddenCharacter(body: string): boolean {
  return notAllowed.test(body);
}

export function refusalOfDelay(delaySeconds: number | undefined): SqsRefusal | undefined {
  if (delaySeconds === undefined) return undefined;
  if (Number.isInteger(delaySeconds) && delaySeconds >= 0 && delaySeconds <= limits.delaySeconds.value)
    return undefined;
  return {
    code: 'InvalidParameterValue',
    message: `Value ${delaySeconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= ${limits.delaySeconds.value}.`,
  };
}

/**
 * What a poll of a queue with `inFlight` messages gets.
 * @param atMost messages in flight
 */
export function pollOf(
  inFlight: number,
  waitSeconds: number,
  atMost: number = limits.inFlightMessages.value,
): 'messages' | 'nothing' | SqsRefusal {
  if (inFlight < atMost) return 'messages';
  if (waitSeconds > 0) return 'nothing';
  return { code: 'OverLimit', message: 'Too many messages in flight.' };
}
