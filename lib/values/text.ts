/**
 * Checks that every store can hold the text: `jsonb` rejects NUL and lone surrogates, SQS the noncharacters U+FFFE and U+FFFF
 * (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html).
 * @returns why the text cannot be stored; undefined if it can
 */
export function whyNotStorable(text: string): string | undefined {
  if (text.includes('\u0000')) return 'contains a NUL character';
  if (!text.isWellFormed()) return 'contains a lone surrogate';
  if (/[\ufffe\uffff]/.test(text)) return 'contains U+FFFE or U+FFFF, which are not characters';
  return undefined;
}
