import { defineConfig } from 'vitest/config';
import { propertyScale } from './test/support/property-scale.ts';

/** By what a test needs; test/README.md says more. */
const project = (name: string) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`] },
});

export default defineConfig({
  test: {
    testTimeout: 120_000 * propertyScale,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // names the Redis that the tests run on
    globalSetup: 'test/support/global-setup.ts',
    projects: ['unit', 'integration', 'properties', 'flow', 'faults', 'infra'].map(project),
  },
});
