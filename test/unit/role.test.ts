/** The table of roles: what may follow what, and what may never be. */
import { describe, expect, test } from '@jest/globals';
import type { MirrorPhase } from '../../backup/primary/verdicts.js';
import { tooLate } from '../../failover/link-errors.js';
import type { Observation } from '../../failover/observation.js';
import {
  decide,
  firstRole,
  mirrors,
  type Role,
  reigns,
  type State,
  transitions,
} from '../../failover/role.js';
import { copyingMs, helloMs } from '../../src/base/limits.js';
import { decisions } from '../support/decisions.js';

const states = Object.keys(transitions) as State[];
const deadAfterMs = 100;
const heartbeatMs = 20;
const leaseMs = 50;

const silence = (ms: number): Observation => ({ what: 'silence', ms, awakeMs: ms, isAsking: true });
const reign = (changes: number) => ({ epoch: 1, node: 'a', cache: 'c', changes });
const gone = (
  how: 'lost' | 'broken' | 'dropped' | 'dead',
  isMember = true,
  isSync = true,
  others: MirrorPhase = 'alone',
) => ({ what: 'standbyGone', how, isMember, isSync, others }) as const;

/** Every observation, with all that it may tell. */
const observations: Readonly<Record<string, Observation>> = {
  'refused here': { what: 'refused', isHere: true },
  'refused elsewhere': { what: 'refused', isHere: false },
  reset: { what: 'reset' },
  unreachable: { what: 'unreachable' },
  lost: { what: 'lost' },
  'silence, short': silence(10),
  'silence, a heartbeat': silence(heartbeatMs),
  'silence, dead-after': silence(deadAfterMs),
  'silence, dead-after, asleep': { what: 'silence', ms: deadAfterMs, awakeMs: 10, isAsking: true },
  'silence, a hello': silence(helloMs + 1),
  'silence, a hello, in a pause': { ...silence(helloMs + 1), isAsking: false } as Observation,
  'silence, a copy': silence(copyingMs + 1),
  'met our cache': {
    what: 'metCache',
    theirs: { cache: 'c', epoch: 2 },
    ours: { cache: 'c', epoch: 2 },
  },
  'met our cache, later': {
    what: 'metCache',
    theirs: { cache: 'c', epoch: 3 },
    ours: { cache: 'c', epoch: 2 },
  },
  'met our cache, earlier': {
    what: 'metCache',
    theirs: { cache: 'c', epoch: 1 },
    ours: { cache: 'c', epoch: 2 },
  },
  'met another cache': {
    what: 'metCache',
    theirs: { cache: 'd', epoch: 9 },
    ours: { cache: 'c', epoch: 2 },
  },
  welcomed: { what: 'welcomed' },
  synced: { what: 'synced' },
  dropped: { what: 'dropped' },
  'turned away, busy': { what: 'turnedAway', why: 'busy', mayBeElsewhere: false, isSure: true },
  'turned away, of another kind': {
    what: 'turnedAway',
    why: 'peer',
    mayBeElsewhere: false,
    isSure: true,
  },
  'turned away, may be elsewhere': {
    what: 'turnedAway',
    why: 'peer',
    mayBeElsewhere: true,
    isSure: true,
  },
  'turned away, by anybody': {
    what: 'turnedAway',
    why: 'peer',
    mayBeElsewhere: true,
    isSure: false,
  },
  'cannot have a copy': { what: 'turnedAway', why: 'own', mayBeElsewhere: true, isSure: true },
  outranked: { what: 'outranked' },
  'passer reigns': { what: 'passerReigns', isAsked: false },
  'passer reigns, and is asked': { what: 'passerReigns', isAsked: true },
  'passer looks': { what: 'passerLooks', all: false },
  'all look': { what: 'passerLooks', all: true },
  revoked: { what: 'revoked' },
  'old ended': { what: 'oldEnded' },
  'old lives': { what: 'oldLives' },
  told: { what: 'told' },
  announced: { what: 'announced' },
  answered: { what: 'answered' },
  bound: { what: 'bound' },
  'bind failed': { what: 'bindFailed' },
  'opened, attachable': { what: 'opened', isAttachable: true },
  'opened, by itself': { what: 'opened', isAttachable: false },
  'open failed': { what: 'openFailed' },
  paused: { what: 'paused' },
  'standby came': { what: 'standbyCame', isLost: false, others: 0 },
  'standby came, the lost one': { what: 'standbyCame', isLost: true, others: 0 },
  'standby came, and there is one': { what: 'standbyCame', isLost: false, others: 1 },
  'rival reigns': { what: 'rivalReigns' },
  counted: { what: 'counted' },
  'old yields': { what: 'oldYields' },
  'standby lost': gone('lost'),
  'standby lost, --ack async': gone('lost', true, false),
  'standby broken': gone('broken'),
  'standby dropped': gone('dropped'),
  'standby dead': gone('dead'),
  'copying standby lost': gone('lost', false),
  'copying standby dropped': gone('dropped', false),
  'hold over': { what: 'holdOver', others: 'alone' },
  'hold over, another one is mirrored': { what: 'holdOver', others: 'mirrored' },
  'hold over, another one is held': { what: 'holdOver', others: 'held' },
  'member dead, another one is mirrored': gone('dead', true, true, 'mirrored'),
  'member dead, another one is held': gone('dead', true, true, 'held'),
  'standby died': { what: 'standbyDied' },
  stopped: { what: 'stopped' },
  'claimed by a member': { what: 'claimed', isMember: true, epoch: 2, oursEpoch: 1 },
  'claimed by a member, not newer': { what: 'claimed', isMember: true, epoch: 1, oursEpoch: 1 },
  'claimed by another': { what: 'claimed', isMember: false, epoch: 2, oursEpoch: 1 },
  'met a lesser reign': { what: 'metReign', ours: reign(1), theirs: reign(0) },
  'met a greater reign': { what: 'metReign', ours: reign(0), theirs: reign(1) },
  'met a reign of another cache': {
    what: 'metReign',
    ours: reign(1),
    theirs: { ...reign(1), cache: 'd' },
  },
};

/** A role in this state, whatever came before. */
function roleIn(state: State, fields: Partial<Role> = {}): Role {
  const first = firstRole('looking', { isSupervised: false, standbysMost: 1, deadAfterMs });
  return { ...first, state, ...fields };
}

/** Plays observations from a state while the lease holds; returns where it ends and all that was done. */
function play(from: Role, ...labels: string[]): { state: State; actions: string[] } {
  let role = from;
  const actions: string[] = [];
  for (const label of labels) {
    const decided = decide(role, observations[label]!, leaseMs);
    role = decided.role;
    actions.push(...decided.actions);
  }
  return { state: role.state, actions };
}

/** All that is decided, of every role that differs in what decisions need. */
interface Decided {
  readonly role: Role;
  readonly label: string;
  readonly leaseLeftMs: number;
  readonly next: Role;
  readonly actions: readonly string[];
}

function all(): Decided[] {
  const decided: Decided[] = [];
  const flags = [false, true];
  for (const role of everyRole(flags)) {
    for (const [label, seen] of Object.entries(observations)) {
      for (const leaseLeftMs of [leaseMs, 0]) {
        try {
          const { role: next, actions } = decide(role, seen, leaseLeftMs);
          decided.push({ role, label, leaseLeftMs, next, actions });
        } catch (error) {
          expect((error as Error).message).toMatch(/^assertion failed: /);
        }
      }
    }
  }
  return decided;
}

function* everyRole(flags: readonly boolean[]): Generator<Role> {
  for (const state of states) {
    const mirrorsOf = reigns(state) ? (Object.keys(mirrors) as MirrorPhase[]) : ['alone' as const];
    for (const mirror of mirrorsOf)
      for (const isSupervised of flags)
        for (const isFounder of flags)
          for (const isCertain of flags)
            for (const standbysMost of isSupervised ? [1, 2] : [1])
              yield roleIn(state, { mirror, isSupervised, isFounder, isCertain, standbysMost });
  }
}

/** What is decided in this role, and of which observations: those that are missing are assertions. */
function table(role: Role): string[] {
  const labels = new Map<string, string[]>();
  for (const [label, seen] of Object.entries(observations)) {
    const [held, over] = [outcome(role, seen, leaseMs), outcome(role, seen, 0)];
    const said =
      held === over
        ? [[label, held]]
        : [
            [label, held],
            [`${label}, lease over`, over],
          ];
    for (const [name, result] of said) {
      if (result !== null) labels.set(result!, [...(labels.get(result!) ?? []), name!]);
    }
  }
  return [...labels].map(([result, of]) => `${result} <- ${of.join('; ')}`);
}

function outcome(role: Role, seen: Observation, leaseLeftMs: number): string | null {
  try {
    const { role: next, actions, verdict } = decide(role, seen, leaseLeftMs);
    const changed = Object.entries(next).filter(([key, value]) => {
      return key !== 'state' && value !== role[key as keyof Role];
    });
    const sets = changed.map(([key, value]) => `${key}=${value}`);
    const words = [next.state, ...actions, ...sets, ...(verdict === null ? [] : [`(${verdict})`])];
    return words.join(' ');
  } catch (error) {
    expect((error as Error).message).toMatch(/^assertion failed: /);
    return null;
  }
}

/** Each state; and each that differs by more than that. */
const roles: Readonly<Record<string, Role>> = {
  ...Object.fromEntries(states.map((state) => [state, roleIn(state)])),
  'starting, supervised': roleIn('starting', { isSupervised: true }),
  'looking, a founder': roleIn('looking', { isFounder: true }),
  'looking, whole once': roleIn('looking', { wasWhole: true }),
  'fencing, supervised': roleIn('fencing', { isSupervised: true }),
  'fencing, certain': roleIn('fencing', { isSupervised: true, isCertain: true }),
  'fencing, one of several': roleIn('fencing', {
    isSupervised: true,
    isCertain: true,
    standbysMost: 2,
  }),
  'binding, certain': roleIn('binding', { isCertain: true }),
  'binding, mirrored': roleIn('binding', { mirror: 'mirrored' }),
  'primary, supervised': roleIn('primary', { isSupervised: true }),
  'primary, mirrored': roleIn('primary', { mirror: 'mirrored' }),
  'primary, held': roleIn('primary', { mirror: 'held' }),
};

describe('roles', () => {
  test.each(Object.keys(roles))(
    '%s: every observation is decided as written down, or an assertion',
    (name) => {
      expect(table(roles[name]!)).toEqual(decisions[name]);
    },
  );

  test('what is written down is of these roles', () => {
    expect(Object.keys(decisions)).toEqual(Object.keys(roles));
  });

  test('a standby whose primary dies takes over in this order: fence, promote, serve', () => {
    const died = ['revoked', 'told', 'announced', 'bound'];
    expect(play(roleIn('looking'), 'welcomed', 'synced', 'lost', 'refused here', ...died)).toEqual({
      state: 'primary',
      actions: [
        'reportSynced',
        'attach',
        'revoke',
        'promote',
        'depose',
        'reportDead',
        'announce',
        'bind',
        'serve',
        'reportServing',
      ],
    });
    expect(play(roleIn('standby'), 'silence, dead-after', ...died).state).toBe('primary');
    for (const replaced of ['met another cache', 'met our cache, earlier', 'turned away, busy']) {
      expect(play(roleIn('reconnecting'), replaced, ...died).state).toBe('primary');
    }
  });

  test('nobody is promoted without having been fenced, and nobody fences who is not a whole standby', () => {
    for (const { role, label, leaseLeftMs, next, actions } of all()) {
      const { state, isCertain, isSupervised } = role;
      if (actions.includes('promote')) {
        expect([state, label]).toContainEqual(expect.stringMatching(/^(revoked|old ended)$/));
        expect(state).toBe('fencing');
        // A supervisor has ended the old primary, or it was known to be dead, or the lease holds.
        if (label === 'revoked') {
          expect(isCertain || (!isSupervised && leaseLeftMs > 0)).toBe(true);
          // Of several standbys that find their primary dead, the supervisor lets one take over.
          if (role.isSupervised) expect(role.standbysMost).toBe(1);
        }
      }
      if (actions.includes('revoke')) {
        expect(['standby', 'reconnecting']).toContain(state);
        expect(leaseLeftMs).toBeGreaterThan(0);
      }
      if (next.state !== state && next.state === 'primary') {
        expect(['binding', 'asking']).toContain(state);
        expect(label).toBe('bound');
      }
      if (actions.includes('bind')) {
        const own = state === 'starting';
        // A node that asks had announced its reign in time.
        const isKnown = label === 'old yields' || (state === 'asking' && label === 'answered');
        expect(own || isCertain || leaseLeftMs > 0 || isKnown).toBe(true);
      }
      if (next.state !== state && reigns(next.state) && !reigns(state)) {
        expect(actions).toContain(state === 'fencing' ? 'promote' : 'beginAnew');
      }
    }
  });

  test('a supervisor ends the old primary; where there is none announcers tell it', () => {
    for (const { role, actions } of all()) {
      const { isSupervised } = role;
      if (actions.includes('endOld')) expect(isSupervised).toBe(true);
      if (actions.includes('announce')) expect(isSupervised).toBe(false);
      if (actions.includes('leadOn')) expect(isSupervised).toBe(false);
      if (actions.includes('closeLinkPort')) expect(isSupervised).toBe(true);
    }
  });

  // docs/decisions/refused-elsewhere.md: the primary may answer for as long as its standby has promised to stand still.
  test('a refusal on another machine shortens nothing', () => {
    const refused = (label: string) => play(roleIn('reconnecting'), 'refused elsewhere', label);
    expect(refused('silence, a heartbeat').state).toBe('reconnecting');
    expect(refused('silence, dead-after').state).toBe('fencing');
  });

  // A man in between broke the link, and refused the standby or said its hello twice: it took over at once.
  test('a refusal that anybody may have said shortens nothing, and is certain of nothing', () => {
    const refused = (label: string) =>
      play(roleIn('reconnecting'), 'turned away, by anybody', label);
    expect(refused('silence, a heartbeat').state).toBe('reconnecting');
    expect(refused('silence, dead-after').state).toBe('fencing');
    const { role } = decide(roleIn('reconnecting'), observations['turned away, by anybody']!, 100);
    expect([role.state, role.isCertain]).toEqual(['reconnecting', false]);
  });

  test('half a copy, and a copy in doubt, are never served, nor is their node ended: it looks for a primary', () => {
    for (const label of ['lost', 'silence, a copy', 'dropped', 'turned away, busy']) {
      expect(play(roleIn('copying'), label)).toEqual({
        state: 'looking',
        actions: ['lookElsewhere', 'attachLater'],
      });
    }
    const doubtful = { state: 'looking', actions: ['sayDoubtful', 'lookElsewhere', 'attachLater'] };
    for (const [state, label] of [
      ['standby', 'silence, dead-after'],
      ['reconnecting', 'silence, dead-after'],
      ['reconnecting', 'refused here'],
    ] as const) {
      const { role, actions } = decide(roleIn(state), observations[label]!, 0);
      expect({ state: role.state, actions }).toEqual(doubtful);
    }
    for (const label of ['met another cache', 'met our cache, earlier']) {
      expect(decide(roleIn('reconnecting'), observations[label]!, 0).verdict).toBe('mirror');
    }
  });

  test('a standby that is started first waits, whatever it finds', () => {
    for (const label of [
      'refused here',
      'unreachable',
      'silence, a hello',
      'turned away, busy',
      'lost',
    ]) {
      expect(play(roleIn('looking'), label)).toEqual({
        state: 'looking',
        actions: ['lookElsewhere', 'attachLater'],
      });
    }
  });

  test('whoever takes over, or serves, never ends by itself', () => {
    for (const { role, label, next } of all()) {
      if (label === 'stopped') continue;
      if (role.state === 'fencing' || reigns(role.state)) expect(next.state).not.toBe('ended');
    }
  });

  test('whoever ends by itself holds nothing, or was told so by its own primary', () => {
    for (const { role, label, leaseLeftMs, next } of all()) {
      if (role.state === 'ended' || next.state !== 'ended' || label === 'stopped') continue;
      expect(label).toMatch(/^(turned away, of another kind|cannot have a copy)$/);
      if (role.state === 'reconnecting') expect(leaseLeftMs).toBe(0);
    }
  });

  // A node that was deposed, and not told by whom, ended: nobody was left to take the cache.
  test('a primary that is deposed, and not told where to attach, goes on looking', () => {
    const deposed = play(roleIn('primary'), 'outranked');
    expect(deposed).toEqual({
      state: 'looking',
      actions: ['retire', 'leadOn', 'follow', 'attach'],
    });
    for (const label of ['refused here', 'refused elsewhere', 'unreachable', 'lost', 'reset']) {
      expect(play(roleIn('looking'), label, 'paused').actions).toEqual([
        'lookElsewhere',
        'attachLater',
        'attach',
      ]);
    }
  });

  test('a takeover that comes too late goes back to looking for a primary', () => {
    const late = ['sayLate', 'lookElsewhere', 'attachLater'];
    const { role, actions } = decide(roleIn('fencing'), observations['revoked']!, 0);
    expect([role.state, actions]).toEqual(['looking', late]);
    expect(play(roleIn('fencing'), 'old lives')).toEqual({ state: 'looking', actions: late });
    // With more processor the same step comes before the end of the lease, and the takeover goes on.
    expect(tooLate().remedy).toBe('give this node more processor');
    const inTime = decide(roleIn('fencing'), observations['revoked']!, 1).role.state;
    expect(['looking', 'fencing']).not.toContain(inTime);
  });

  test('one that reigns already when its lease ends asks before it serves', () => {
    const { role, actions } = decide(roleIn('binding'), observations['paused']!, 0);
    expect([role.state, actions]).toEqual(['asking', ['ask']]);
    for (const label of ['answered', 'old yields']) {
      const bound = play(roleIn('asking'), label, 'bind failed', 'paused', 'bound');
      expect(bound.state).toBe('primary');
    }
  });

  // The old primary may have gone on alone, and have died since, so neither silence nor a refusal is an answer.
  test('one whose lease ends before it announced its reign serves only once the old primary yields', () => {
    for (const label of ['told', 'announced']) {
      const late = decide(roleIn('binding'), observations[label]!, 0);
      expect([late.role.state, late.actions]).toEqual(['waiting', ['awaitOld']]);
    }
    const role = roleIn('waiting');
    expect(play(role, 'old yields', 'announced')).toEqual({
      state: 'binding',
      actions: ['announce', 'bind'],
    });
    const inVain = { state: 'looking', actions: ['sayLate', 'retire', 'leadOn', 'attachLater'] };
    expect(play(role, 'paused')).toEqual(inVain);
  });

  test('a primary that is outranked retires before it attaches, in the midst of its takeover as well', () => {
    for (const state of ['starting', 'binding', 'asking', 'waiting', 'primary'] as const) {
      expect(play(roleIn(state), 'outranked')).toEqual({
        state: 'looking',
        actions: ['retire', 'leadOn', 'follow', 'attach'],
      });
    }
  });

  test('a standby whose primary was deposed attaches to whoever reigns', () => {
    for (const state of ['copying', 'standby', 'reconnecting'] as const) {
      expect(play(roleIn(state), 'outranked')).toEqual({
        state: 'looking',
        actions: ['follow', 'attach'],
      });
    }
  });

  test('a lost standby is waited for until it cannot take over any more', () => {
    const mirrored = decide(roleIn('primary'), observations['counted']!, 0).role;
    for (const [label, verdict] of [
      ['standby lost', 'hold'],
      ['standby broken', 'hold'],
      ['standby dropped', 'release'],
      ['standby lost, --ack async', 'release'],
    ] as const) {
      const lost = decide(mirrored, observations[label]!, 0);
      expect([lost.role.mirror, lost.verdict]).toEqual(['held', verdict]);
      expect(decide(lost.role, observations['hold over']!, 0).role.mirror).toBe('alone');
    }
    const dead = decide(mirrored, observations['standby dead']!, 0);
    expect([dead.role.mirror, dead.verdict]).toEqual(['alone', 'forget']);
  });

  test('only a standby that replies wait for deposes its primary', () => {
    for (const mirror of ['mirrored', 'held'] as const) {
      const role = roleIn('primary', { mirror });
      expect(decide(role, observations['claimed by a member']!, 0).verdict).toBe('theirs');
      expect(decide(role, observations['claimed by another']!, 0).verdict).toBe('ours');
    }
    expect(() => decide(roleIn('primary'), observations['claimed by a member']!, 0)).toThrow(
      'assertion failed: a member reigns',
    );
  });

  test('what has ended does nothing more', () => {
    expect(Object.keys(transitions.ended)).toEqual([]);
  });
});
