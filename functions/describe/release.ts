import packageJson from '../../package.json' with { type: 'json' };

/** Defined by the bundler; undefined if the code runs unbundled. */
declare const BUNDLED_COMMIT: string | undefined;

export const release: { readonly version: string; readonly commit: string | null } = {
  version: packageJson.version,
  commit: typeof BUNDLED_COMMIT === 'undefined' ? null : BUNDLED_COMMIT || null,
};
