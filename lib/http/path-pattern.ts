/** Matches paths of a route, with a named group for each parameter. A trailing slash is ignored. */
export function pathPattern(path: string): RegExp {
  const pattern = path === '/' ? '' : path.replaceAll('.', '\\.').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  return new RegExp(`^${pattern}/?$`);
}
