/**
 * Allowed transitions: state → next states, with an entry for every state. Keeping the state is always allowed. The API and the processor
 * enforce them. Changes by plain SQL are restricted only as far as archive and deletion safety require (migration 0014).
 */
export type Transitions = Readonly<Record<string, readonly string[]>>;

/** For transfers, unpacking, packages in transfer, archiving and staging. */
export const status = {
  pending: ['scheduled', 'in_progress', 'failed'],
  scheduled: ['pending', 'in_progress', 'failed'],
  in_progress: ['pending', 'completed', 'failed'],
  completed: [],
  failed: ['pending'],
} as const satisfies Transitions;

/** Storage state of a package. */
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

/** State columns of tables that only other programs write. */
export const movedByOthers: Readonly<Record<string, Readonly<Record<string, Transitions>>>> = {
  data_transfer_package: { status },
  data_transfer: { status, unpack_status: status },
  long_term_archive_transfer: { status },
  staging_job: { status },
  physical_copy: { status: copyStatus },
};
