import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EventParser, type ServerEvent } from '../src/events.js';
import { openStream } from '../src/streams.js';
import type { Transport } from '../src/state.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const seed = Number(process.env['TIDEWIRE_SEED'] ?? Date.now() % 1_000_000);

it(`reads events cut anywhere, with any line end (seed ${seed})`, () => {
  let state = seed;
  const below = (n: number) => (state = (state * 1103515245 + 12345) % 2 ** 31) % n;
  const events: ServerEvent[] = [
    { name: 'session', data: '{"session":"0-1"}', id: null },
    { name: 'message', data: '["ü","✓"]\nsecond line', id: null },
    { name: 'message', data: '', id: 'e:12' },
    { name: 'close', data: 'x', id: 'e:13' },
  ];
  const lines = [
    ...['retry: 10', 'event: session', 'data: {"session":"0-1"}', '', ': comment', ''],
    ...['data:["ü","✓"]', 'data: second line', 'unknown: field', ''],
    ...['id: e:12', '', 'event: close', 'data: x', 'id: e:13', ''],
    ...['data: cut off'],
  ];
  for (let run = 0; run < 300; run++) {
    const end = ['\n', '\r\n', '\r'][below(3)]!;
    const text = lines.join(end);
    const parser = new EventParser();
    const seen: ServerEvent[] = [];
    for (let at = 0; at < text.length;) {
      const size = 1 + below(7);
      seen.push(...parser.push(text.slice(at, at + size)));
      at += size;
    }
    expect(seen, `seed ${seed}, run ${run}`).toEqual(events);
  }
});

interface Request {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal | null;
  answer(status: number, body?: unknown, type?: string): Promise<void>;
  fail(): Promise<void>;
}

/** A stream over a server that the test speaks for. */
function open(transport: Transport) {
  const requests: Request[] = [];
  const seen: unknown[] = [];
  const settle = async () => void (await vi.advanceTimersByTimeAsync(0));
  const send = (url: any, init: RequestInit = {}) =>
    new Promise<Response>((resolve, reject) => {
      init.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      requests.push({
        method: init.method ?? 'GET',
        query: new URL(String(url)).searchParams,
        body: String(init.body ?? ''),
        headers: init.headers as Record<string, string>,
        signal: init.signal ?? null,
        answer: (status, body = {}, type = 'application/json') => {
          const text = body instanceof ReadableStream ? body : JSON.stringify(body);
          resolve(new Response(text, { status, headers: { 'Content-Type': type } }));
          return settle();
        },
        fail: () => {
          reject(new TypeError('Failed to fetch'));
          return settle();
        },
      });
    });
  const env = {
    now: Date.now,
    random: () => 0.5,
    setTimeout: (run: () => void, ms: number) => setTimeout(run, ms),
    clearTimeout: (timer: any) => clearTimeout(timer),
  };
  const options = { base: 'https://x.example', key: 'k', fetch: send as typeof fetch, env };
  const socket = openStream(transport, options);
  socket.onopen = () => seen.push('open');
  socket.onmessage = ({ data }) => seen.push(JSON.parse(data));
  socket.onclose = ({ code, fate }) => seen.push(['close', code, fate]);
  return { socket, requests, seen, settle };
}

const opening = { session: '0-1', first: 1, seq: 0, messages: [] };
const watermark = (position: string) => [
  null,
  null,
  'phoenix',
  'phx_reply',
  { status: 'ok', response: { tidewire: { position } } },
];

it('keeps keys out of addresses', async () => {
  const { requests, settle } = open('longpoll');
  await settle();
  expect([...requests[0]!.query.keys()]).toEqual(['vsn']);
  expect(requests[0]!.headers).toMatchObject({ apikey: 'k', Authorization: 'Bearer k' });
});

it('sends in order, one request at a time, with what has gathered', async () => {
  const { socket, requests, settle } = open('longpoll');
  await settle();
  await requests[0]!.answer(200, opening);
  socket.send('1');
  socket.send('2');
  await settle();
  socket.send('3');
  socket.send('x'.repeat(70_000));
  socket.send('4');
  await settle();
  const posts = () => requests.filter(({ method }) => method === 'POST');
  for (const expected of ['1\n2', '3', 'x'.repeat(70_000), '4']) {
    expect(posts()).toHaveLength(1);
    const [post] = requests.splice(requests.indexOf(posts()[0]!), 1);
    expect(post!.body).toBe(expected);
    expect(post!.query.get('session')).toBe('0-1');
    await post!.answer(202);
  }
});

it('tells a lost answer once, though it comes again', async () => {
  const { requests, seen, settle } = open('longpoll');
  await settle();
  await requests[0]!.answer(200, { ...opening, seq: 1, messages: ['a'], position: 'e:1' });
  expect(requests[1]!.query.get('ack')).toBe('1');
  await requests[1]!.fail();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(requests[2]!.query.get('ack')).toBe('1');
  await requests[2]!.answer(200, { ...opening, first: 1, seq: 3, messages: ['a', 'b', 'c'] });
  await requests[3]!.answer(200, { ...opening, first: 4, seq: 4, messages: ['d'] });
  expect(seen).toEqual(['open', 'a', watermark('e:1'), 'b', 'c', 'd']);
});

it.each([
  ['longpoll', 404, 'unfit'],
  ['longpoll', 503, 'down'],
  ['longpoll', 401, 'down'],
  ['longpoll', 0, 'down'],
  ['poll', 0, 'down'],
  ['sse', 404, 'unfit'],
  ['sse', 503, 'unfit'],
  ['sse', 0, 'unfit'],
] as const)('%s answered by %i at first is %s', async (transport, status, fate) => {
  const { requests, seen, settle } = open(transport);
  await settle();
  await (status ? requests[0]!.answer(status) : requests[0]!.fail());
  expect(seen).toEqual([['close', 1006, fate]]);
});

it('a page instead of events is unfit, and so are events that never begin', async () => {
  const portal = open('sse');
  await portal.settle();
  await portal.requests[0]!.answer(200, 'sign in here', 'text/html');
  expect(portal.seen).toEqual([['close', 1006, 'unfit']]);
  const held = open('sse');
  await held.settle();
  const body = new ReadableStream({
    start: (stream) =>
      held.requests[0]!.signal!.addEventListener('abort', () => stream.error(new Error('aborted'))),
  });
  await held.requests[0]!.answer(200, body, 'text/event-stream');
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  // The machine gives it up long before; the stream itself waits for its first bytes only so long.
  expect(held.seen).toEqual([['close', 1006, 'unfit']]);
});

it('a session that the server ended says how, and one that is gone is lost', async () => {
  for (const [status, body, code] of [
    [200, { ...opening, closed: { code: 1012, reason: 'restart' } }, 1012],
    [404, {}, 1006],
  ] as const) {
    const { requests, seen, settle } = open('longpoll');
    await settle();
    await requests[0]!.answer(200, opening);
    await requests[1]!.answer(status, body);
    expect(seen).toEqual(['open', ['close', code, undefined]]);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(requests.filter(({ query }) => query.get('keep') !== '0')).toHaveLength(2);
  }
});

it('polls less and less while nothing happens, at once after saying something', async () => {
  const { socket, requests, settle } = open('poll');
  await settle();
  await requests[0]!.answer(200, opening);
  const waits: number[] = [];
  const keeps: number[] = [];
  for (let i = 0; i < 10; i++) {
    const from = Date.now();
    const before = requests.length;
    while (requests.length === before) await vi.advanceTimersByTimeAsync(100);
    waits.push(Math.round((Date.now() - from) / 1000));
    keeps.push(Number(requests.at(-1)!.query.get('keep')));
    expect(requests.at(-1)!.query.get('wait')).toBe('0');
    await requests.at(-1)!.answer(200, opening);
  }
  expect(waits).toEqual([8, 11, 17, 25, 38, 57, 86, 120, 120, 120]);
  keeps.forEach((keep, i) => expect(keep).toBeGreaterThan(waits[i + 1] ?? 120));
  socket.send('x');
  await settle();
  await requests.at(-1)!.answer(202);
  expect(requests.at(-1)!.method).toBe('GET');
  await requests.at(-1)!.answer(200, { ...opening, seq: 1, messages: ['y'] });
  const before = requests.length;
  await vi.advanceTimersByTimeAsync(5_500);
  expect(requests).toHaveLength(before + 1);
});

it('leaves when it is closed, and says nothing more', async () => {
  const { socket, requests, seen, settle } = open('poll');
  await settle();
  await requests[0]!.answer(200, opening);
  socket.close();
  await settle();
  expect(requests.at(-1)!.query.get('keep')).toBe('0');
  socket.send('x');
  await vi.advanceTimersByTimeAsync(600_000);
  expect(requests).toHaveLength(2);
  expect(seen).toEqual(['open']);
});
