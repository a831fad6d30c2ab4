/**
 * Which state may follow which, as total tables: state → states that may follow; a row may stay as it is. The API and the processor
 * obey them. Main takes what other programs set by plain SQL, but for what archive and deletions need (migration 0014).
 */
export type Transitions = Readonly<Record<string, readonly string[]>>;

/** Of what is moved: transfers, their unpacking, packages in transfer, archiving, staging. */
export const status = {
  pending: ['scheduled', 'in_progress', 'failed'],
  scheduled: ['pending', 'in_progress', 'failed'],
  in_progress: ['pending', 'completed', 'failed'],
  completed: [],
  failed: ['pending'],
} as const satisfies Transitions;

/** Where a package is kept. */
export const packageState = {
  waiting: ['transferring', 'archived', 'failed'],
  transferring: ['waiting', 'archived', 'failed'],
  archived: [],
  failed: ['waiting', 'transferring'],
} as const satisfies Transitions;

export const executedStatus = {
  running: ['completed', 'aborted', 'failed'],
  completed: [],
  aborted: [],
  failed: [],
  not_attempted: [],
} as const satisfies Transitions;

const copyStatus = {
  present: ['staged', 'deletion_possible', 'deletion_scheduled'],
  staged: ['deletion_scheduled'],
  deletion_possible: ['deletion_scheduled'],
  deletion_scheduled: ['present', 'deletion_in_progress'],
  deletion_in_progress: ['deletion_scheduled', 'deleted', 'deletion_failed'],
  deletion_failed: ['deletion_scheduled'],
  deleted: [],
} as const satisfies Transitions;

/** Columns of tables that no transaction of the buffer writes. */
export const movedByOthers: Readonly<Record<string, Readonly<Record<string, Transitions>>>> = {
  data_transfer_package: { status },
  data_transfer: { status, unpack_status: status },
  long_term_archive_transfer: { status },
  staging_job: { status },
  physical_copy: { status: copyStatus },
};
