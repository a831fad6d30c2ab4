/** Brings about the faults of a plan. */
import type { Decision, Gate, Scheduler } from '../engine/scheduler.ts';
import type { Ledger } from '../checks/ledger.ts';
import type { Fault, Loss, Outage, Plan } from '../plan/plan.ts';
import type { RedisImage, RedisServer } from '../stores/redis-server.ts';
import type { Databases } from './databases.ts';
import type { Queues } from './queues.ts';
import type { RedisOfHistory } from './redis.ts';

interface Parts {
  readonly scheduler: Scheduler;
  readonly databases: Databases;
  readonly queues: Queues;
  readonly redis: RedisOfHistory;
  readonly server: RedisServer;
  readonly ledger: Ledger;
  readonly plan: Plan;
  /** virtual ms */
  readonly begin: number;
  readonly trace: (line: string) => void;
}

interface Appointment {
  readonly at: number;
  readonly what: string;
  readonly act: () => Promise<void> | void;
}

/** A function that is frozen with its connections lost. */
const freezeMilliseconds = 25_000;

export class Misfortune {
  readonly #parts: Parts;
  readonly #counts = new Map<string, number>();
  #messages = 0;
  #appointments: Appointment[] = [];
  #isOver = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    for (const fault of parts.plan.faults) this.#arrange(fault);
    this.#appointments.sort((a, b) => a.at - b.at);
    parts.queues.fate = () => this.#fate();
  }

  /** Nothing has happened yet. */
  async begin(): Promise<void> {
    await this.happen();
  }

  get isOver(): boolean {
    return this.#appointments.length === 0;
  }

  get nextAt(): number {
    return this.#appointments[0]?.at ?? Infinity;
  }

  /** What is due. */
  async happen(): Promise<void> {
    const { scheduler, trace } = this.#parts;
    for (;;) {
      const [first] = this.#appointments;
      if (!first || first.at > scheduler.now) return;
      this.#appointments.shift();
      trace(`${scheduler.now} ${first.what}`);
      await first.act();
    }
  }

  decide(gate: Gate): Decision {
    const name = `${gate.store} ${gate.phase}`;
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    if (this.#isOver || gate.task.name.startsWith('look')) return { do: 'go' };
    const fault = this.#parts.plan.faults.find(
      (each) =>
        each.kind === 'call' && each.store === gate.store && each.phase === gate.phase && each.nth === count,
    );
    if (fault?.kind !== 'call') return { do: 'go' };
    if (fault.does === 'cut') {
      this.#parts.redis.cutAfter = 1 + (count % 14);
      return { do: 'go' };
    }
    return fault.does === 'freeze' ? { do: 'freeze', milliseconds: freezeMilliseconds } : { do: fault.does };
  }

  /** From here on nothing goes wrong. */
  end(): void {
    const { redis, queues } = this.#parts;
    this.#isOver = true;
    this.#appointments = [];
    redis.state = 'up';
    queues.isAway = false;
  }

  #fate(): 'once' | 'lost' | 'twice' | 'late' {
    const nth = this.#messages;
    this.#messages += 1;
    if (this.#isOver) return 'once';
    const fault = this.#parts.plan.faults.find((each) => each.kind === 'message' && each.nth === nth);
    return fault?.kind === 'message' ? fault.fate : 'once';
  }

  #arrange(fault: Fault): void {
    if (fault.kind === 'outage') this.#arrangeOutage(fault);
    if (fault.kind === 'loss') this.#arrangeLoss(fault);
  }

  #arrangeOutage({ what, at, lasts }: Outage): void {
    const { redis, queues, databases, begin } = this.#parts;
    const set = this.#appoint(begin + at, what);
    const unset = this.#appoint(begin + at + lasts, `no longer ${what}`);
    switch (what) {
      case 'redis away':
        set(() => void (redis.state = 'away'));
        unset(() => void (redis.state = 'up'));
        return;
      case 'redis full':
        set(() => void (redis.state = 'full'));
        unset(() => void (redis.state = 'up'));
        return;
      case 'queue away':
        set(() => void (queues.isAway = true));
        unset(() => void (queues.isAway = false));
        return;
      case 'main away':
        set(() => void (databases.main = 'away'));
        unset(() => void (databases.main = 'up'));
        return;
      case 'main read-only':
        set(() => void (databases.main = 'read-only'));
        unset(() => void (databases.main = 'up'));
        return;
      case 'main not sound':
        set(() => void (databases.main = 'not sound'));
        unset(() => void (databases.main = 'up'));
        return;
      case 'replicas away':
        set(() => databases.replicas.forEach((each) => (each.state = 'away')));
        unset(() => databases.replicas.forEach((each) => (each.state = 'up')));
        return;
      case 'near hangs':
        set(() => void (databases.near.state = 'hanging'));
        unset(() => void (databases.near.state = 'up'));
        return;
      case 'near paused':
        set(() => void (databases.near.isPaused = true));
        unset(() => void (databases.near.isPaused = false));
        return;
      case 'both paused':
        set(() => databases.replicas.forEach((each) => (each.isPaused = true)));
        unset(() => databases.replicas.forEach((each) => (each.isPaused = false)));
        return;
    }
  }

  #arrangeLoss({ what, at, since }: Loss): void {
    const { server, databases, ledger, scheduler, begin } = this.#parts;
    const then = this.#appoint(begin + at, what);
    switch (what) {
      case 'redis emptied':
        then(async () => {
          ledger.loseRedis(scheduler.now);
          await server.empty();
        });
        return;
      case 'redis rolled back': {
        let image: RedisImage | undefined;
        this.#appoint(begin + since, 'redis is copied')(async () => void (image = await server.image()));
        then(async () => {
          ledger.loseRedis(scheduler.now);
          if (image) await server.restore(image);
        });
        return;
      }
      case 'main fails over':
        then(async () => {
          const floor = Number((await server.ask('GET', 'ops:floor')) ?? 0);
          const heir = databases.replicas.find(({ lsn, state }) => lsn >= floor && state !== 'promoted');
          if (!heir) return;
          ledger.mainLosses.push(scheduler.now);
          await databases.failOver(heir);
        });
        return;
      case 'near rebuilt':
        then(async () => {
          databases.near.swap(databases.old);
          await databases.old.replay(databases.lsn);
        });
        return;
      case 'near promoted':
        then(() => void (databases.near.state = 'promoted'));
        return;
    }
  }

  #appoint(at: number, what: string): (act: Appointment['act']) => void {
    return (act) => this.#appointments.push({ at, what, act });
  }
}
