// Named queries against the real binary: cached reads, live queries, rights, limits, positions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channel } from './channel.mjs';
import { mint, sqlite, startTidewire, until } from './server.mjs';

const limit = { timeout: 60_000 };
const northwind = () => mint({ workspace_id: 37 });

function read(server, token, path, headers = {}) {
  return fetch(`${server.url}/v1/queries/${path}`, {
    headers: { Authorization: `Bearer ${token}`, ...headers },
  });
}

const addLead = (server, email, { workspace = 'Northwind', id = 37, stage = 'new' } = {}) =>
  sqlite(
    server,
    `insert into client_leads(workspace_id, workspace_name, lead_email, pipeline_stage, updated_at)
     values(${id}, '${workspace}', '${email}', '${stage}', '2026-01-01T00:00:00Z')`,
  );

/** The client's half of docs/queries.md: three steps. */
export function apply(rows, rowKey, push) {
  const keyOf = (row) => JSON.stringify(rowKey.map((name) => row[name]));
  const text = JSON.stringify;
  const gone = new Set((push.leave ?? []).map(text));
  const byKey = new Map(rows.map((row) => [keyOf(row), { ...row }]));
  const moved = new Set((push.place ?? []).filter((p) => p.key).map((p) => text(p.key)));
  const result = rows
    .filter((row) => !gone.has(keyOf(row)) && !moved.has(keyOf(row)))
    .map((row) => byKey.get(keyOf(row)));
  for (const { key, set } of push.update ?? []) Object.assign(byKey.get(text(key)), set);
  for (const { at, row, key } of push.place ?? []) {
    result.splice(at, 0, row ?? byKey.get(text(key)));
  }
  return result;
}

test('a read is cached, says its position, and a commit overrides it at once', limit, async (t) => {
  const server = await startTidewire(t);
  const token = northwind();
  addLead(server, 'a@example.com');
  const first = await read(server, token, 'leads.by_workspace?workspace=Northwind');
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('tidewire-cache'), 'miss');
  assert.match(first.headers.get('tidewire-position'), /^[0-9a-f]{16}:\d+$/);
  assert.deepEqual(
    (await first.json()).map((row) => row.lead_email),
    ['a@example.com'],
  );
  const second = await read(server, token, 'leads.by_workspace?limit=100&workspace=Northwind');
  assert.equal(second.headers.get('tidewire-cache'), 'hit');
  const etag = second.headers.get('etag');
  const third = await read(server, token, 'leads.by_workspace?workspace=Northwind', {
    'If-None-Match': etag,
  });
  assert.equal(third.status, 304);
  addLead(server, 'b@example.com');
  await until(async () => {
    const again = await read(server, token, 'leads.by_workspace?workspace=Northwind');
    return (await again.json()).length === 2 && again.headers.get('etag') !== etag;
  });
});

test('two users with different rights never share a result', limit, async (t) => {
  const server = await startTidewire(t);
  addLead(server, 'a@example.com');
  addLead(server, 'b@example.com', { workspace: 'Contoso', id: 38 });
  const emails = async (token, workspace) => {
    const answer = await read(server, token, `leads.by_workspace?workspace=${workspace}`);
    return (await answer.json()).map((row) => row.lead_email);
  };
  const contoso = mint({ workspace_id: 38 });
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await emails(northwind(), 'Northwind'), ['a@example.com']);
    assert.deepEqual(await emails(contoso, 'Northwind'), []);
    assert.deepEqual(await emails(contoso, 'Contoso'), ['b@example.com']);
    assert.deepEqual(await emails(northwind(), 'Contoso'), []);
  }
});

test('Min-Position is kept, and errors have codes and pointers', limit, async (t) => {
  const server = await startTidewire(t);
  const token = northwind();
  const ok = await read(server, token, 'leads.by_workspace?workspace=Northwind');
  const [epoch, offset] = ok.headers.get('tidewire-position').split(':');
  const ahead = await read(server, token, 'leads.by_workspace?workspace=Northwind', {
    'Min-Position': `${epoch}:${Number(offset) + 100}`,
  });
  assert.equal(ahead.status, 503);
  assert.equal((await ahead.json()).code, 'position_not_reached');
  const waiting = read(server, token, 'leads.by_workspace?workspace=Northwind', {
    'Min-Position': `${epoch}:${Number(offset) + 1}`,
  });
  addLead(server, 'late@example.com');
  assert.equal((await (await waiting).json()).length, 1);
  for (const [path, status, code, pointer, headers] of [
    ['leads.by_workspce?workspace=x', 404, 'unknown_query'],
    ['leads.by_workspace', 400, 'missing_parameter', '/workspace'],
    ['leads.by_workspace?workspace=x&limit=ten', 400, 'invalid_parameter', '/limit'],
    ['leads.by_workspace?workspace=x&limit=501', 400, 'invalid_parameter', '/limit'],
    ['leads.by_workspace?workspace=x&Limit=1', 400, 'unknown_parameter', '/Limit'],
    ['leads.by_workspace?workspace=x', 400, 'invalid_position', undefined, { 'Min-Position': 'x' }],
    [
      'leads.by_workspace?workspace=x',
      409,
      'epoch_changed',
      undefined,
      { 'Min-Position': '0000000000000001:1' },
    ],
  ]) {
    const answer = await read(server, token, path, headers);
    const body = await answer.json();
    assert.deepEqual([answer.status, body.code, body.pointer], [status, code, pointer], path);
  }
  const anon = await read(server, server.info.anon_key, 'leads.by_workspace?workspace=x');
  assert.equal(anon.status, 403);
});

test('a live query: snapshot, differences, equal to a fresh read', limit, async (t) => {
  const server = await startTidewire(t);
  const token = northwind();
  for (let i = 0; i < 5; i++) addLead(server, `l${i}@example.com`);
  const live = await channel(t, server, token);
  const opened = await live.send('query_open', {
    query: 'leads.by_workspace',
    args: { workspace: 'Northwind' },
  });
  assert.equal(opened.status, 'ok');
  const { response } = opened;
  assert.equal(response.mode, 'rows');
  assert.equal(response.state, 'snapshot');
  assert.deepEqual(response.key, ['leads', 'list', { workspace: 'Northwind' }]);
  let rows = response.rows;
  let version = response.version;
  let seen = 0;
  const catchUp = () => {
    for (; seen < live.pushes.length; seen++) {
      const { event, payload } = live.pushes[seen];
      if (event !== 'query') continue;
      assert.equal(payload.from, version);
      rows = apply(rows, response.row_key, payload);
      version = payload.to;
    }
  };
  const writes = [
    `update client_leads set pipeline_stage = 'won' where lead_email = 'l2@example.com'`,
    `update client_leads set updated_at = '2027-01-01T00:00:00Z' where lead_email = 'l3@example.com'`,
    `delete from client_leads where lead_email = 'l0@example.com'`,
    `update client_leads set notes = 'nobody reads this' where lead_email = 'l1@example.com'`,
    `insert into client_leads(workspace_id, workspace_name, lead_email, updated_at)
     values(37, 'Northwind', 'z@example.com', '2028-01-01T00:00:00Z')`,
    `update client_leads set workspace_id = 38 where lead_email = 'l4@example.com'`,
  ];
  for (const write of writes) {
    sqlite(server, write);
    const written = sqlite(server, 'select max(offset) from tidewire_log').trim();
    await until(async () => {
      const fresh = await (
        await read(server, token, 'leads.by_workspace?workspace=Northwind', {
          'Min-Position': `${response.position.split(':')[0]}:${written}`,
        })
      ).json();
      catchUp();
      return JSON.stringify(fresh) === JSON.stringify(rows) && fresh.length > 0;
    });
  }
  assert.deepEqual(
    rows.map((row) => row.lead_email),
    ['z@example.com', 'l3@example.com', 'l1@example.com', 'l2@example.com'],
  );
  // Five of six writes changed what it shows; the sixth touched a column that it does not read.
  assert.equal(live.pushes.filter(({ event }) => event === 'query').length, 5);

  // Back with the rows in hand: nothing to send; with an older version: a difference.
  const again = await channel(t, server, token);
  const current = await again.send('query_open', {
    query: 'leads.by_workspace',
    args: { workspace: 'Northwind' },
    have: version,
  });
  assert.equal(current.response.state, 'current');
  assert.equal(current.response.rows, undefined);
  const before = live.pushes.filter(({ event }) => event === 'query').at(-1).payload.from;
  const diff = await (
    await channel(t, server, token)
  ).send('query_open', {
    query: 'leads.by_workspace',
    args: { workspace: 'Northwind' },
    have: before,
  });
  assert.equal(diff.response.state, 'diff');
  assert.equal(diff.response.version, version);
});

test(
  'a live query is refused with a code, and its frames are the same for all',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const token = northwind();
    const a = await channel(t, server, token);
    const b = await channel(t, server, mint({ workspace_id: 37 }, { sub: 'somebody else' }));
    const bad = await a.send('query_open', { query: 'leads.by_workspace', args: { workspace: 5 } });
    assert.deepEqual(
      [bad.status, bad.response.code, bad.response.pointer],
      ['error', 'invalid_parameter', '/workspace'],
    );
    const open = { query: 'leads.by_stage', args: { workspace: 'Northwind' } };
    const [first, second] = await Promise.all([
      a.send('query_open', open),
      b.send('query_open', open),
    ]);
    assert.equal(first.response.sub, second.response.sub);
    addLead(server, 'a@example.com', { stage: 'won' });
    const pushOf = (one) => one.texts.find((text) => text.includes('"query",'));
    await until(() => pushOf(a) && pushOf(b));
    assert.equal(pushOf(a), pushOf(b));
    const closed = await a.send('query_close', { sub: first.response.sub });
    assert.equal(closed.status, 'ok');
  },
);

test(
  'applied comes after the rows of the mutation, also when it changed no row',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const token = northwind();
    const client = 'c'.repeat(22);
    const live = await channel(t, server, token, { tidewire: { client } });
    await live.send('query_open', { query: 'leads.by_stage', args: { workspace: 'Northwind' } });
    sqlite(
      server,
      `begin; insert into client_leads(workspace_id, workspace_name, lead_email, pipeline_stage)
     values(37, 'Northwind', 'm@example.com', 'won');
     insert into tidewire_mutation(id) values('${client}:1'); commit`,
    );
    await until(() => live.pushes.some(({ event }) => event === 'applied'));
    const events = live.pushes.map(({ event }) => event);
    assert.deepEqual(
      events.filter((event) => event === 'query' || event === 'applied'),
      ['query', 'applied'],
    );
    sqlite(server, `insert into tidewire_mutation(id) values('${client}:2')`);
    await until(() => live.pushes.filter(({ event }) => event === 'applied').length === 2);
    assert.deepEqual(live.pushes.at(-1).payload.ids, [`${client}:2`]);
  },
);

test('data_cache_metadata and function_call_logs tell what the cache did', limit, async (t) => {
  const server = await startTidewire(t);
  const token = northwind();
  for (let i = 0; i < 5; i++) await read(server, token, 'leads.by_stage?workspace=Northwind');
  await until(() => sqlite(server, 'select sum(hits) from data_cache_metadata').trim() === '4');
  const calls = sqlite(server, `select function_name, status, reason from function_call_logs`);
  assert.equal(calls.trim(), 'leads.by_stage|ok|read');
});

test(
  'invalidation: keys of a change, with what depends on them, only to those who see it',
  limit,
  async (t) => {
    const server = await startTidewire(t);
    const config = { tidewire: { invalidations: true } };
    const mine = await channel(t, server, northwind(), config);
    const theirs = await channel(t, server, mint({ workspace_id: 38 }), config);
    addLead(server, 'a@example.com');
    const isOne = ({ event }) => event === 'invalidate';
    await until(() => mine.pushes.some(isOne));
    const { payload } = mine.pushes.find(isOne);
    assert.deepEqual(payload.keys.sort(), [['dashboard', 'stats'], ['leads']]);
    assert.deepEqual([payload.tags, payload.tables], [['leads'], ['client_leads']]);
    addLead(server, 'b@example.com', { workspace: 'Contoso', id: 38 });
    await until(() => theirs.pushes.some(isOne));
    const manual = (token) =>
      fetch(`${server.url}/v1/invalidate`, {
        method: 'POST',
        headers: { apikey: token, 'Content-Type': 'application/json' },
        body: JSON.stringify({ keys: [['all', 1], ['all']], tags: ['x'] }),
      });
    assert.equal((await manual(northwind())).status, 403);
    assert.equal(theirs.pushes.filter(isOne).length, 1);
    assert.equal(mine.pushes.filter(isOne).length, 1);
    assert.equal((await manual(mint({}, { role: 'service_role' }))).status, 202);
    await until(() => [mine, theirs].every((one) => one.pushes.filter(isOne).length === 2));
    assert.deepEqual(mine.pushes.filter(isOne)[1].payload.keys, [['all']]);
  },
);

test('why: row, rule and query of recent invalidations', limit, async (t) => {
  const server = await startTidewire(t);
  const token = northwind();
  await read(server, token, 'leads.by_stage?workspace=Northwind');
  addLead(server, 'a@example.com');
  const ask = async (asking) =>
    fetch(`${server.url}/v1/explain/invalidation`, { headers: { apikey: asking } });
  assert.equal((await ask(token)).status, 403);
  const service = mint({}, { role: 'service_role' });
  let reasons = [];
  await until(async () => (reasons = await (await ask(service)).json()).length > 0);
  assert.deepEqual(reasons[0].row, ['Northwind', 'a@example.com']);
  assert.equal(reasons[0].rule, 'client_leads.workspace_name = "Northwind"');
  assert.equal(reasons[0].query, 'leads.by_stage');
});
