/** Headers of answers that change only with a deployment. They vary by Accept: browsers get HTML, scripts JSON. */
export const cached = { 'Cache-Control': 'public, max-age=300', Vary: 'Accept' };
