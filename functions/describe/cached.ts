/** What changes with a deployment alone. A browser asks for HTML, a script for anything or for JSON. */
export const cached = { 'Cache-Control': 'public, max-age=300', Vary: 'Accept' };
