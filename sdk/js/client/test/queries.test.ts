import { expect, it } from 'vitest';
import { createQueryReader, QueryError, queryPath } from '../src/queries.js';

interface Asked {
  readonly path: string;
  readonly headers: Record<string, string>;
  answer(status: number, body: unknown, headers?: Record<string, string>): void;
}

function reader() {
  const asked: Asked[] = [];
  const client = {
    request: (path: string, init: RequestInit = {}) =>
      new Promise<Response>((resolve) =>
        asked.push({
          path,
          headers: init.headers as Record<string, string>,
          answer: (status, body, headers = {}) => {
            const text = status === 304 ? null : JSON.stringify(body);
            resolve(new Response(text, { status, headers }));
          },
        }),
      ),
  };
  return { ...createQueryReader(client), asked };
}

const told = (version: string, offset: number, cache = 'hit') => ({
  ETag: `"${version}"`,
  'Tidewire-Position': `e:${offset}`,
  'Tidewire-As-Of': '2026-11-27T20:00:00.000Z',
  'Tidewire-Cache': cache,
});

it('names the query and its parameters, whatever is in them and in whatever order', () => {
  expect(queryPath('leads.by_stage')).toBe('/v1/queries/leads.by_stage');
  expect(queryPath('a/b', { z: 1, a: 'x & y', gone: undefined, none: null, on: true })).toBe(
    '/v1/queries/a%2Fb?a=x%20%26%20y&on=true&z=1',
  );
});

it('asks whether what it has is still true, and gives the same rows when it is', async () => {
  const r = reader();
  const first = r.read('q', { a: 1 });
  r.asked[0]!.answer(200, [{ id: 1 }], told('v1', 10, 'miss'));
  expect(await first).toEqual({
    rows: [{ id: 1 }],
    version: 'v1',
    position: 'e:10',
    asOf: '2026-11-27T20:00:00.000Z',
    cache: 'miss',
  });
  const second = r.read('q', { a: 1 }, { minPosition: 'e:12' });
  expect(r.asked[1]!.headers).toEqual({ 'If-None-Match': '"v1"', 'Min-Position': 'e:12' });
  r.asked[1]!.answer(304, null, told('v1', 12));
  expect((await second).rows).toBe((await first).rows);
  expect((await second).position).toBe('e:12');
  const other = r.read('q', { a: 2 });
  expect(r.asked[2]!.headers).toEqual({});
  r.asked[2]!.answer(200, [], told('v1', 12));
  expect((await other).rows).toEqual([]);
});

it('does not believe an answer that is older than one it has seen', async () => {
  const r = reader();
  const slow = r.read('q');
  const fast = r.read('q');
  r.asked[1]!.answer(200, [{ id: 2 }], told('v2', 20));
  expect((await fast).rows).toEqual([{ id: 2 }]);
  r.asked[0]!.answer(200, [{ id: 1 }], told('v1', 10));
  expect((await slow).rows).toEqual([{ id: 2 }]);
  // Another epoch is another database: its rows count.
  const next = r.read('q');
  r.asked[2]!.answer(200, [{ id: 3 }], { ...told('v3', 1), 'Tidewire-Position': 'f:1' });
  expect((await next).rows).toEqual([{ id: 3 }]);
});

it('says what was wrong, and with which parameter', async () => {
  const r = reader();
  const refused = r.read('q', { limit: 'x' });
  const body = { error: 'limit must be a number.', code: 'invalid_parameter', pointer: '/limit' };
  r.asked[0]!.answer(400, body);
  const error = await refused.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(QueryError);
  expect(error).toMatchObject({
    status: 400,
    message: body.error,
    code: body.code,
    pointer: '/limit',
  });
  const odd = r.read('q');
  r.asked[1]!.answer(502, 'Bad gateway');
  expect(await odd.catch((reason: unknown) => reason)).toMatchObject({ status: 502, code: null });
});

it('keeps a bounded number of results, the newest', async () => {
  const r = reader();
  for (let n = 0; n < 201; n++) {
    const read = r.read('q', { n });
    r.asked[n]!.answer(200, [], told('v', 1));
    await read;
  }
  void r.read('q', { n: 0 });
  void r.read('q', { n: 200 });
  expect(r.asked.slice(-2).map(({ headers }) => 'If-None-Match' in headers)).toEqual([false, true]);
  r.clear();
  void r.read('q', { n: 200 });
  expect(r.asked.at(-1)!.headers).toEqual({});
});
