/** Matches the paths of a route, with each parameter as a named group. A trailing slash is ignored. */
export function pathPattern(path: string): RegExp {
  const pattern = path === '/' ? '' : path.replaceAll('.', '\\.').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  return new RegExp(`^${pattern}/?$`);
}
