/** How many times as many runs each property makes as in the gate, and how many times as long it may take. */
export const propertyScale = Number(process.env.PROPERTY_SCALE ?? 1);
