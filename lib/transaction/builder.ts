import type { BufferedTable, Step, Transaction } from './transaction.ts';

type Values = Extract<Step, { kind: 'create' }>['values'];
type Heading = Omit<Transaction, 'version' | 'steps'>;

/**
 * Builds a transaction from steps on several records, such as an observation with its packages and files. Ids are assigned up front,
 * so that later steps and the answer can refer to them.
 */
export class TransactionBuilder {
  readonly #heading: Heading;
  readonly #newId: () => string;
  readonly #steps: Step[] = [];

  /** @param newId creates the id of a record without one */
  constructor(heading: Heading, newId: () => string) {
    this.#heading = heading;
    this.#newId = newId;
  }

  /** @param filled columns that the caller filled from its clock @returns the id of the record */
  create(
    table: BufferedTable,
    values: Values,
    id: string = this.#newId(),
    filled: readonly string[] = [],
  ): string {
    this.#steps.push({
      kind: 'create',
      table,
      id,
      values,
      ...(filled.length > 0 && { filled: [...filled] }),
    });
    return id;
  }

  /** Creates the record, or updates an existing one with the values. */
  put(table: BufferedTable, id: string, values: Values): this {
    this.#steps.push({ kind: 'put', table, id, values });
    return this;
  }

  /** @returns the ids of the records, in order */
  bulkCreate(table: BufferedTable, list: readonly Values[]): string[] {
    const rows = list.map((values) => ({ id: this.#newId(), values }));
    this.#steps.push({ kind: 'bulk_create', table, rows });
    return rows.map((row) => row.id);
  }

  /** @param condition see `only_if`, `given` and `filled` of an update step */
  update(
    table: BufferedTable,
    id: string,
    values: Values,
    condition: {
      readonly onlyIf?: Values;
      readonly given?: readonly string[];
      readonly filled?: readonly string[];
    } = {},
  ): this {
    const { onlyIf, given, filled = [] } = condition;
    this.#steps.push({
      kind: 'update',
      table,
      id,
      values,
      ...(onlyIf && { only_if: onlyIf }),
      ...(given && { given: [...given] }),
      ...(filled.length > 0 && { filled: [...filled] }),
    });
    return this;
  }

  delete(table: BufferedTable, id: string): this {
    this.#steps.push({ kind: 'delete', table, id });
    return this;
  }

  /** Retries a parked transaction of the same aggregate. */
  retry(transaction: string): this {
    this.#steps.push({ kind: 'retry', transaction });
    return this;
  }

  /**
   * Discards a transaction of the same aggregate that main has not applied.
   * @param target heading of the transaction, for the case that main has not received it yet
   */
  discard(
    transaction: string,
    reason: string,
    target?: NonNullable<Extract<Step, { kind: 'discard' }>['target']>,
  ): this {
    this.#steps.push({ kind: 'discard', transaction, reason, ...(target && { target }) });
    return this;
  }

  /** @throws Error if there are no steps */
  build(): Transaction {
    if (this.#steps.length === 0) throw new Error('a transaction needs at least one step');
    return { version: 1, ...this.#heading, steps: this.#steps };
  }
}
