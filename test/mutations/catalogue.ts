/** Every mutation, by the part that it changes. */
import type { Mutation } from './mutation.ts';
import { aggregateMutations } from './catalogue/aggregates.ts';
import { authMutations } from './catalogue/auth.ts';
import { bufferMutations } from './catalogue/buffer.ts';
import { contractMutations } from './catalogue/contracts.ts';
import { scriptMutations } from './catalogue/scripts.ts';
import { inputMutations } from './catalogue/input.ts';
import { localCloudMutations } from './catalogue/local-cloud.ts';
import { layerMutations } from './catalogue/layers.ts';
import { functionMutations } from './catalogue/functions.ts';
import { liveMutations } from './catalogue/live.ts';
import { observabilityMutations } from './catalogue/observability.ts';
import { observeMutations } from './catalogue/observe.ts';
import { processMutations } from './catalogue/process.ts';
import { propertyMutations } from './catalogue/properties.ts';
import { readMutations } from './catalogue/reads.ts';
import { smallScriptMutations } from './catalogue/small-scripts.ts';
import { stateCountMutations } from './catalogue/state-counts.ts';
import { stepMutations } from './catalogue/steps.ts';
import { submissionMutations } from './catalogue/submission.ts';
import { valueMutations } from './catalogue/values.ts';

export const catalogue: readonly Mutation[] = [
  ...aggregateMutations,
  ...authMutations,
  ...bufferMutations,
  ...contractMutations,
  ...scriptMutations,
  ...inputMutations,
  ...localCloudMutations,
  ...layerMutations,
  ...functionMutations,
  ...liveMutations,
  ...observabilityMutations,
  ...observeMutations,
  ...processMutations,
  ...propertyMutations,
  ...readMutations,
  ...smallScriptMutations,
  ...stateCountMutations,
  ...stepMutations,
  ...submissionMutations,
  ...valueMutations,
];
