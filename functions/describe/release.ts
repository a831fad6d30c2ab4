import packageJson from '../../package.json' with { type: 'json' };

/** Put in by the bundler; absent where the code runs as it is. */
declare const BUNDLED_COMMIT: string | undefined;

export const release: { readonly version: string; readonly commit: string | null } = {
  version: packageJson.version,
  commit: typeof BUNDLED_COMMIT === 'undefined' ? null : BUNDLED_COMMIT || null,
};
