/** Factor on the number of runs of each property and on their time limit; 1 in the gate. */
export const propertyScale = Number(process.env.PROPERTY_SCALE ?? 1);
