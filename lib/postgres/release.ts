/** Release of the functions at main. Each release calls its own: during a deployment two of them are at work. */
export const release = 2;

export const schemaOfRelease = (number: number) => `ops_r${number}`;

/** The schema that this release calls. */
export const releaseSchema = schemaOfRelease(release);

/** Schemas are dropped this many releases later. */
export const keptReleases = 2;
