import type { BufferedTable, Step, Transaction } from './transaction.ts';

type Values = Extract<Step, { kind: 'create' }>['values'];
type Heading = Omit<Transaction, 'version' | 'steps'>;

/**
 * Builds one atomic unit of work out of several records: an observation with its packages and files.
 * Ids are made before anything is inserted, so that later steps and the answer can name them.
 */
export class TransactionBuilder {
  readonly #heading: Heading;
  readonly #newId: () => string;
  readonly #steps: Step[] = [];

  /** @param newId makes the id of a record that comes without one */
  constructor(heading: Heading, newId: () => string) {
    this.#heading = heading;
    this.#newId = newId;
  }

  /** @param filled columns that the caller took from its clock @returns the id of the record */
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

  /** Creates the record, or lays the values over the one that is there. */
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

  /** Tries a parked transaction of the same aggregate again. */
  retry(transaction: string): this {
    this.#steps.push({ kind: 'retry', transaction });
    return this;
  }

  /**
   * Gives up a transaction of the same aggregate that main has not applied.
   * @param target says about it what main needs if it has not seen it yet
   */
  discard(
    transaction: string,
    reason: string,
    target?: NonNullable<Extract<Step, { kind: 'discard' }>['target']>,
  ): this {
    this.#steps.push({ kind: 'discard', transaction, reason, ...(target && { target }) });
    return this;
  }

  /** @throws Error without a step: an empty transaction would be recorded and mean nothing */
  build(): Transaction {
    if (this.#steps.length === 0) throw new Error('a transaction needs at least one step');
    return { version: 1, ...this.#heading, steps: this.#steps };
  }
}
