import { expect, it } from 'vitest';
import {
  configFromEnv,
  defineEntities,
  onceById,
  toEntityEvent,
  type Change,
} from '../src/index.js';
import {
  createKeyGraph,
  definePolicies,
  durationMs,
  pollIntervalOf,
  quote,
} from '../src/refresh.js';

it('reads the four variables, with any prefix, and has defaults', () => {
  expect(configFromEnv({})).toEqual({
    websocket: true,
    fallback: true,
    fallbackIntervalMs: 15_000,
  });
  expect(
    configFromEnv({
      VITE_TIDEWIRE_URL: 'https://live.example.com',
      NEXT_PUBLIC_TIDEWIRE_WEBSOCKET: 'off',
      TIDEWIRE_FALLBACK: 'false',
      EXPO_PUBLIC_TIDEWIRE_FALLBACK_INTERVAL: '2min',
    }),
  ).toEqual({
    url: 'https://live.example.com',
    websocket: false,
    fallback: false,
    fallbackIntervalMs: 120_000,
  });
});

it('names the variable that is wrong', () => {
  for (const [env, named] of [
    [{ VITE_TIDEWIRE_URL: 'live.example.com' }, /VITE_TIDEWIRE_URL/],
    [{ TIDEWIRE_WEBSOCKET: 'maybe' }, /TIDEWIRE_WEBSOCKET.*maybe/],
    [{ TIDEWIRE_FALLBACK_INTERVAL: '3 weeks' }, /TIDEWIRE_FALLBACK_INTERVAL/],
    [{ TIDEWIRE_FALLBACK_INTERVAL: '5ms' }, /TIDEWIRE_FALLBACK_INTERVAL/],
  ] as const) {
    expect(() => configFromEnv(env)).toThrow(named);
  }
});

it('makes events of changes, with an id that every transport shares', () => {
  const entities = defineEntities({ projects: { table: 'projects' } });
  expect(entities.projects.table).toBe('projects');
  const change = {
    type: 'LEAVE',
    record: null,
    oldRecord: { id: 3 },
    position: 'e:9',
    commitTimestamp: '2026-11-27T10:00:00.000Z',
  } as unknown as Change<any>;
  expect(toEntityEvent('projects', change)).toEqual({
    type: 'change',
    entity: 'projects',
    action: 'leave',
    data: null,
    old: { id: 3 },
    timestamp: '2026-11-27T10:00:00.000Z',
    id: 'e:9',
  });
});

it('lets an id through once, over a bounded memory', () => {
  const first = onceById(2);
  expect(['a', 'a', 'b', 'c', 'a'].map(first)).toEqual([true, false, true, true, true]);
});

it('expands a key graph transitively, in cycles too, with parameters', () => {
  const graph = createKeyGraph({
    campaigns: ['dashboard/stats', 'analytics'],
    briefs: ['reviews', 'campaigns'],
    reviews: ['briefs'],
    'brand-assets': ['knowledge-bases', 'campaigns/{id}/progress'],
  });
  expect(graph.expand(['briefs'])).toEqual([
    'briefs',
    'reviews',
    'campaigns',
    'dashboard/stats',
    'analytics',
  ]);
  expect(graph.expand(['brand-assets'], { id: 7 })).toContain('campaigns/7/progress');
  expect(graph.expand(['brand-assets'])).toContain('campaigns/*/progress');
});

it('reads page policies as data', () => {
  const policies = definePolicies({
    dashboard: { poll: '30s', invalidate: true },
    videos: {
      realtime: true,
      poll: { every: '5s', while: (d: any[] | undefined) => !!d?.some((v) => v.busy) },
    },
    reviews: { poll: { every: '15s', when: 'not-live' } },
    '*': {},
  });
  expect(pollIntervalOf(policies.dashboard, undefined, true)).toBe(30_000);
  expect(pollIntervalOf(policies.videos, [{ busy: true }], true)).toBe(5_000);
  expect(pollIntervalOf(policies.videos, [{ busy: false }], true)).toBe(false);
  expect(pollIntervalOf(policies.reviews, [], true)).toBe(false);
  expect(pollIntervalOf(policies.reviews, [], false)).toBe(15_000);
  expect(pollIntervalOf(policies['*'], [], false)).toBe(false);
  expect(() => definePolicies({ bad: { poll: 'often' } })).toThrow(/bad/);
  expect([durationMs('500ms'), durationMs('5min'), durationMs('1h')]).toEqual([500, 3e5, 36e5]);
});

it('quotes what would end a value', () => {
  expect([quote('plain'), quote('a,b'), quote('say "x"'), quote(7)]).toEqual([
    'plain',
    '"a,b"',
    '"say \\"x\\""',
    '7',
  ]);
});
