/**
 * Text that every store behind the door holds: `jsonb` refuses a NUL and half a surrogate pair, SQS the noncharacters U+FFFE and
 * U+FFFF (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html).
 * @returns why the text cannot be stored; undefined if it can
 */
export function whyNotStorable(text: string): string | undefined {
  if (text.includes('\u0000')) return 'holds a NUL character';
  if (!text.isWellFormed()) return 'holds half a surrogate pair';
  if (/[\ufffe\uffff]/.test(text)) return 'holds U+FFFE or U+FFFF, which are not characters';
  return undefined;
}
