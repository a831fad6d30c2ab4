/** Release of the functions at main. Each release calls its own functions, since two releases run during a deployment. */
export const release = 2;

export const schemaOfRelease = (number: number) => `ops_r${number}`;

/** The schema that this release calls. */
export const releaseSchema = schemaOfRelease(release);

/** The schema of a release is dropped this many releases later. */
export const keptReleases = 2;
