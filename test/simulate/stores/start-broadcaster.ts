/** Stands for lib/change-feed/start-broadcaster.ts. */
import { world } from '../world/world.ts';

export function broadcasterStarter(): () => Promise<void> {
  return async () => world().startBroadcaster();
}
